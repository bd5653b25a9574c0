"""Tools of the shell as far as the examples of docs/events.md use them, for machines that lack them."""

CURL = """
import sys, urllib.error, urllib.request
words, headers, body, url = iter(sys.argv[1:]), {}, b"", ""
for word in words:
    if word == "--header":
        name, _, text = next(words).partition(": ")
        headers[name] = text
    elif word == "--data-binary":
        body = next(words).encode()
    elif not word.startswith("--"):
        url = word
try:
    print(urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30).read().decode())
except urllib.error.HTTPError as refused:
    sys.exit(refused.read().decode())
"""

OPENSSL = """
import base64, hmac, sys
given, words = sys.stdin.buffer.read(), sys.argv[1:]
if words[0] == "dgst":
    key = next(word for word in words if word.startswith("hexkey:")).removeprefix("hexkey:")
    made = hmac.digest(bytes.fromhex(key), given, "sha256")
else:
    made = base64.b64decode(given) if "-d" in words else base64.b64encode(given)
sys.stdout.buffer.write(made)
"""

REDIS_CLI = """
import sys, redis
assert sys.argv[1] == "-u"
print(redis.Redis.from_url(sys.argv[2], decode_responses=True).execute_command(*sys.argv[3:]))
"""

DBT = """
import json, sys
json.dump(sys.argv[1:], open("dbt.json", "w"))
"""
