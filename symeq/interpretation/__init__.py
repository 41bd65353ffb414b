"""Programs read as formal sums of diagram operators: what an exported graph computes, for every n."""
