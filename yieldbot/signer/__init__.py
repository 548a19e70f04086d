"""A door for one caller, `yieldbot serve`: a Unix socket through which plans that persons have signed come in."""
