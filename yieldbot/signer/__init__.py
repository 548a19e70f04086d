"""The socket of `yieldbot signer`: a Unix socket at which one caller, `yieldbot serve`, hands in plans that persons
have signed."""
