"""The migrations of the ledger; inside the package, so that an installed wheel can make and renew a ledger."""
