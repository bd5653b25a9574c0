"""Workers: plan an export, upload its chunks, account for every profile."""
