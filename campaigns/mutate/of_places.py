"""Breaks of the way from host, path and method to a route."""

from .mutant import Mutant

_CHECK = "tests/unit/engine/test_check.py"
_PLACES = "tests/unit/engine/test_places.py"
_CANONICAL = "tests/unit/engine/test_canonical.py"
_ROUTES = "tests/unit/engine/test_routes.py"
_REFUSED = f"{_CANONICAL}::test_a_path_with_more_than_one_meaning_is_refused"

PLACES: tuple[Mutant, ...] = (
    Mutant(
        "decide-for-an-odd-host",
        "sidecar/engine/check.py",
        "host = canonical_host(request.host)",
        'host = canonical_host(request.host) or ""',
        "A host that two readers read in two ways would be decided by the routes for any host.",
        (f"{_CHECK}::test_decisions[bad host]",),
    ),
    Mutant(
        "decode-twice",
        "sidecar/engine/canonical.py",
        '_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%25")',
        '_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")',
        "/%2561dmin would be decided as no admin path; an upstream that decodes twice serves /admin.",
        (_REFUSED, f"{_CHECK}::test_decisions[double escape]"),
    ),
    Mutant(
        "segments-of-dots",
        "sidecar/engine/canonical.py",
        "    if _DOT_SEGMENT.search(text):\n",
        '    if text == "..":\n',
        "/public/../admin would be decided as public; the upstream serves /admin.",
        (_REFUSED, f"{_CHECK}::test_decisions[dot segments]"),
    ),
    Mutant(
        "empty-segments",
        "sidecar/engine/canonical.py",
        "    if _EMPTY_SEGMENT.search(text):\n",
        '    if text == "//":\n',
        "//admin would miss the admin route; the upstream serves /admin.",
        (_REFUSED,),
    ),
    Mutant(
        "backslashes",
        "sidecar/engine/canonical.py",
        'if "\\\\" in path or "#" in path:',
        'if "#" in path:',
        "/public\\..\\admin would be decided as public; an upstream on Windows serves /admin.",
        (f"{_REFUSED}[/a\\\\b]",),
    ),
    Mutant(
        "escaped-backslashes",
        "sidecar/engine/canonical.py",
        "|7[Ff]|5[Cc]|23|3[Ff])",
        "|7[Ff]|23|3[Ff])",
        "/public%5C..%5Cadmin would be decided as public; an upstream on Windows serves /admin.",
        (_REFUSED,),
    ),
    Mutant(
        "characters-that-look-like-a-slash",
        "sidecar/engine/canonical.py",
        'if char > "\\x7f" and not _LOOKS_LIKE.isdisjoint(',
        'if char > "\\U0010fffe" and not _LOOKS_LIKE.isdisjoint(',
        "A full-width slash would be one segment to us and two to an upstream that normalises.",
        (_REFUSED,),
    ),
    Mutant(
        "invisible-characters",
        "sidecar/engine/canonical.py",
        "        if unicodedata.category(char) in _UNSEEN:\n",
        "        if unicodedata.category(char) in ():\n",
        "A path with a zero-width space would miss the admin route; an upstream that drops it serves /admin.",
        (_REFUSED,),
    ),
    Mutant(
        "letters-that-fold",
        "sidecar/engine/canonical.py",
        "return any(form.isascii() and form.isalpha() for form in forms)",
        "return False",
        "/ADM\u0130N would miss the admin route; an upstream without case serves /admin.",
        (f"{_CHECK}::test_a_letter_that_only_some_readers_fold_is_refused_where_case_does_not_count",),
    ),
    Mutant(
        "semicolons-unnoticed",
        "sidecar/engine/canonical.py",
        "        features.add(SEMICOLON)\n",
        "        pass\n",
        "/posts;x/../admin tricks would be judged as plain text, whatever the route admits.",
        (f"{_CANONICAL}::test_doubtful_features_are_named_for_the_route_to_judge",),
    ),
    Mutant(
        "the-short-way-takes-dots",
        "sidecar/engine/canonical.py",
        "is_plain = re.compile(r\"(?:/[A-Za-z0-9_~!$&'()*+,:@=.\\-]*[A-Za-z0-9_~!$&'()*+,:@=\\-])+\").fullmatch",
        'is_plain = re.compile(r"(?:/[A-Za-z0-9_~!$&\'()*+,:@=.\\-]+)+").fullmatch',
        "/posts/.. would be decided as a post; the upstream serves /.",
        (f"{_PLACES}::test_the_short_way_to_a_route_leaves_dots_to_the_long_one",),
    ),
    Mutant(
        "features-whatever-the-route-admits",
        "sidecar/engine/check.py",
        "if path.features and not path.features <= chosen.features:",
        "if path.features and path.features.isdisjoint(chosen.features):",
        "A route that admits one doubtful thing would admit all.",
        (f"{_PLACES}::test_a_route_admits_the_features_that_it_names_and_no_others",),
    ),
    Mutant(
        "variables-before-literals",
        "sidecar/engine/routes.py",
        "            following = node.literals.get(segment) or node.variable\n",
        "            following = node.variable or node.literals.get(segment)\n",
        "/users/{id}, open to all, would answer for /users/admin.",
        (f"{_ROUTES}::test_literal_before_variable_before_rest",),
    ),
    Mutant(
        "fall-back-to-any-host",
        "sidecar/engine/routes.py",
        "            if following is None:\n                return node.rest\n            node = following\n"
        "        return node.leaf or node.rest\n\n    def usual(",
        "            if following is None:\n                node = self._any or node\n                return node.rest\n"
        "            node = following\n        return node.leaf or node.rest\n\n    def usual(",
        "A path that a strict host does not know would be decided by the open routes for any host.",
        (f"{_PLACES}::test_a_host_with_routes_of_its_own_never_falls_back",),
    ),
    Mutant(
        "a-suffix-takes-its-apex",
        "sidecar/engine/routes.py",
        '            host = host.partition(".")[2]\n            if (node := self._suffixes.get(host)) is not None:\n'
        "                return node\n",
        "            if (node := self._suffixes.get(host)) is not None:\n                return node\n"
        '            host = host.partition(".")[2]\n',
        "example.com would be decided by the routes for *.example.com.",
        (f"{_ROUTES}::test_hosts_exact_before_longest_suffix_before_any",),
    ),
    Mutant(
        "get-answers-for-every-method",
        "sidecar/engine/routes.py",
        'for key in ("GET", ANY) if method == "HEAD" else (ANY,):',
        'for key in ("GET", ANY):',
        "Whoever may read a path could delete it.",
        (f"{_CHECK}::test_decisions[wrong method]", f"{_ROUTES}::test_head_follows_get_and_named_methods_come_before_any"),
    ),
    Mutant(
        "the-short-way-takes-any-method",
        "sidecar/engine/routes.py",
        "return leaf.sole.get(method, leaf.every) if leaf is not None else None",
        "return next(iter(leaf.sole.values()), leaf.every) if leaf is not None else None",
        "Whoever may read a path could delete it.",
        (f"{_CHECK}::test_decisions[wrong method]",),
    ),
    Mutant(
        "the-short-way-ignores-context",
        "sidecar/engine/routes.py",
        "plain = len(rivals) == 1 and not candidate.context",
        "plain = len(rivals) == 1",
        "A route for one virtual host would answer for all.",
        (f"{_PLACES}::test_a_route_for_one_context_answers_for_no_other",),
    ),
    Mutant(
        "any-of-the-context",
        "sidecar/engine/routes.py",
        "return all(context.get(key) == value for key, value in self.context)",
        "return not self.context or any(context.get(key) == value for key, value in self.context)",
        "A route for one virtual host in one zone would answer for that zone as a whole.",
        (f"{_PLACES}::test_a_route_for_one_context_answers_for_no_other",),
    ),
    Mutant(
        "overlapping-routes",
        "sidecar/engine/routes.py",
        "return one == other or not (one.items() <= other.items() or other.items() <= one.items())",
        "return False",
        "Two routes could both match a request, and which one decides would be chance.",
        (f"{_ROUTES}::test_overlap_names_both_routes",),
    ),
    Mutant(
        "preflights-for-every-method",
        "sidecar/engine/routes.py",
        "for methods, one in self.preflights if (key in methods or (key == ANY and not methods)) and one.admits(context)]",
        "for _, one in self.preflights if one.admits(context)]",
        "Browsers would be told that a method may cross origins which no route with cors_preflight has.",
        (
            f"{_CHECK}::test_decisions[preflight for another method]",
            f"{_ROUTES}::test_preflight_belongs_to_the_route_that_accepts_the_method",
        ),
    ),
)
