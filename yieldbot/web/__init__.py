"""The web page: what `app` answers, as HTML for people. It holds no rule and no key."""
