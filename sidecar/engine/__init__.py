"""The decision: canonicalise, choose the route, authenticate, authorise, fold into one Decision."""
