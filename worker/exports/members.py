"""Profiles become members: the very JSON that is sent, so that its hash is the hash of what is sent."""

from collections.abc import Iterator, Sequence

import msgspec
import polars as pl

from worker.exports.attributes import Attribute, Kinds, is_cut, is_present, json_value
from worker.exports.cleaning import clean_addresses
from worker.exports.plan import PlanSettings
from worker.exports.values import as_text, named, tidy


def read_members(
    batch: pl.DataFrame, settings: PlanSettings, attributes: Sequence[Attribute]
) -> pl.DataFrame:
    """What is sent of each profile of a batch, in pieces.

    The columns are `email` and `missing` as `clean_addresses` gives them, and for each merge tag `json TAG`
    (what is sent, as JSON; null where the field is left out), `bad TAG` (there is a value that does not fit),
    `cut TAG` (it was too long) and, where Mailchimp would refuse that, `missing TAG` (there is none).
    """
    found = as_text(named(settings.email), batch.schema[settings.email])
    members = clean_addresses(batch.select(found).to_series())
    if not attributes:
        return members
    columns = sorted({column for attribute in attributes for column in attribute.columns.values()})
    tidied = batch.select(tidy(named(name), batch.schema[name]).alias(name) for name in columns)
    pieces = (piece for attribute in attributes for piece in _pieces(attribute, tidied.schema))
    values = tidied.select(pl.int_range(pl.len()).alias("number"), *pieces)
    decided = (piece for attribute in attributes for piece in _decided(attribute, settings))
    return members.with_columns(values.get_columns()).with_columns(decided)


def _pieces(attribute: Attribute, kinds: Kinds) -> Iterator[pl.Expr]:
    tag = attribute.field.tag
    yield json_value(attribute, kinds).alias(f"json {tag}")
    yield is_present(attribute).alias(f"has {tag}")
    yield is_cut(attribute, kinds).alias(f"cut {tag}")


def _decided(attribute: Attribute, settings: PlanSettings) -> Iterator[pl.Expr]:
    tag = attribute.field.tag
    value, has = pl.col(f"json {tag}"), pl.col(f"has {tag}")
    yield (has & value.is_null()).alias(f"bad {tag}")
    if attribute.field.required and not settings.skip_required:
        yield (~has).alias(f"missing {tag}")
    # an empty address is left out, for an address without its parts is no address
    if settings.on_null == "clear" and not attribute.is_address:
        yield value.fill_null(pl.when(~has).then(pl.lit('""')))


def head(members: pl.DataFrame, settings: PlanSettings, attributes: Sequence[Attribute]) -> pl.Expr:
    """The JSON of a member up to its tags, over what `read_members` gives; null without an address."""
    # a clean address holds nothing that JSON would have to escape
    parts: list[str | pl.Expr] = ['{"email_address":"', pl.col("email"), '","status_if_new":']
    parts.append(json_text(settings.status_if_new))
    tags = [attribute.field.tag for attribute in attributes]
    always = [tag for tag in tags if members[f"json {tag}"].null_count() == 0]
    if always:
        parts += [',"merge_fields":{', *_around(always, tags), "}"]
    elif tags:
        parts.append(_sometimes(tags))
    return pl.concat_str(pl.lit(part) if isinstance(part, str) else part for part in parts)


def _around(always: Sequence[str], tags: Sequence[str]) -> Iterator[str | pl.Expr]:
    """Entries of merge fields, when some are there for all members: the first of these needs no comma.

    The text is the same as in the general case; it only takes a quarter of the time.
    """
    anchor = tags.index(always[0])
    for at, tag in enumerate(tags):
        name, value = f"{json_text(tag)}:", pl.col(f"json {tag}")
        if at < anchor:
            yield pl.concat_str(pl.lit(name), value, pl.lit(",")).fill_null("")
        elif tag in always:
            yield name if at == anchor else f",{name}"
            yield value
        else:
            yield pl.concat_str(pl.lit(f",{name}"), value).fill_null("")


def _sometimes(tags: Sequence[str]) -> pl.Expr:
    """The merge fields as a whole, when each of them is left out for some member."""
    entries = (pl.concat_str(pl.lit(f",{json_text(tag)}:"), f"json {tag}").fill_null("") for tag in tags)
    fields = pl.concat_str(entries).str.strip_prefix(",")
    merge_fields = pl.concat_str(pl.lit(',"merge_fields":{'), fields, pl.lit("}"))
    return pl.when(fields.str.len_bytes() > 0).then(merge_fields).otherwise(pl.lit(""))


def tail(tags: Sequence[str], mask: int) -> str:
    """The rest of the JSON of a member who is in the tables whose bits are set."""
    names = dict.fromkeys(name for bit, name in enumerate(tags) if name and mask >> bit & 1)
    return f',"tags":{json_text(list(names))}}}' if names else "}"


def json_text(value: object) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value).decode()
