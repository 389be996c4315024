"""The difference of two versions, one module a part; `whole` puts them on one screen."""
