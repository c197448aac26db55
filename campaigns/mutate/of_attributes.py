"""Breaks of attribute sources: what is asked, what is remembered, and what a failure is."""

from .mutant import Mutant

_TESTS = "tests/unit/engine/test_attributes.py"
_TEMPLATES = "tests/unit/engine/test_templates.py"
_SOURCES = "sidecar/engine/attributes.py"

ATTRIBUTES: tuple[Mutant, ...] = (
    Mutant(
        "any-answer-of-the-source",
        _SOURCES,
        "entry = memory.get((source.ref, values))",
        "entry = next((one for (ref, _), one in memory._entries.items() if ref is source.ref), None)",
        "The owner of one post would count for every other one.",
        (f"{_TESTS}::test_no_answer_ever_serves_another_question",),
    ),
    Mutant(
        "answers-of-the-source-before",
        _SOURCES,
        "entry = memory.get((source.ref, values))",
        "entry = next((one for (_, key), one in memory._entries.items() if key == values), None)",
        "A source with another URL would go on with the answers of the one before.",
        (f"{_TESTS}::test_another_source_of_the_same_name_has_nothing_of_the_first",),
    ),
    Mutant(
        "any-answer-on-the-short-way",
        _SOURCES,
        "known = self._memory.get((source.ref, values))",
        "known = next((one for (ref, _), one in self._memory._entries.items() if ref is source.ref), None)",
        "On the short way the owner of one post would count for every other one.",
        ("tests/unit/engine/test_short_way_attributes.py::test_the_short_way_remembers_the_same",),
    ),
    Mutant(
        "for-ever-on-the-short-way",
        _SOURCES,
        "if known is None or self._mono >= known.at + source.cache:",
        "if known is None:",
        "On the short way an answer would count for as long as it is remembered.",
        ("tests/unit/engine/test_short_way_attributes.py::test_the_short_way_remembers_the_same",),
    ),
    Mutant(
        "a-failure-is-missing",
        _SOURCES,
        'self.why[source.name] = outcome.why if isinstance(outcome, Failed) else "no answer"\n',
        'self.why[source.name] = outcome.why if isinstance(outcome, Failed) else "no answer"\n'
        "            self._seen[source.attribute] = None\n",
        "A policy that lets in where an attribute does not exist would let in while its source is down.",
        (f"{_TESTS}::test_whatever_is_answered_is_no_allow_unless_it_fits[answer0]",),
    ),
    Mutant(
        "stale-without-end",
        _SOURCES,
        "self._memory.within(key, source.settings.stale_max, self._mono)",
        "self._memory.within(key, 1e9, self._mono)",
        "Whoever keeps a source down would keep what it said before for ever.",
        (f"{_TESTS}::test_an_answer_counts_for_its_time_and_a_failure_is_not_remembered",),
    ),
    Mutant(
        "ask-for-everyone",
        "sidecar/engine/check.py",
        "if said.wanted and isinstance(case.base, Allow) and isinstance(sources, CheckAttributes):",
        "if said.wanted and isinstance(sources, CheckAttributes):",
        "Whoever lacks the role could make the sidecar ask its sources.",
        (f"{_TESTS}::test_it_is_asked_only_where_the_verdict_hinges_on_it[RBAC denies]",),
    ),
    Mutant(
        "dot-segments-in-urls",
        "sidecar/engine/templates.py",
        'if any(not step.strip(". ") for step',
        'if False and any(not step.strip(". ") for step',
        "A caller could have the source asked for another path than the configured one.",
        (f"{_TEMPLATES}::test_what_cannot_stand_in_a_url[..]",),
    ),
    Mutant(
        "values-as-they-stand-in-urls",
        "sidecar/engine/templates.py",
        'return quote(value, safe="")',
        'return quote(value, safe="/?&=")',
        "A caller could add segments and query parameters to what the source is asked.",
        (f"{_TEMPLATES}::test_a_value_is_one_encoded_segment",),
    ),
    Mutant(
        "keys-that-meet",
        "sidecar/engine/templates.py",
        "or not self._separators.isdisjoint(value):",
        "or False:",
        "A caller could choose path segments so that another tenant's entry counts.",
        (f"{_TEMPLATES}::test_keys",),
    ),
    Mutant(
        "follow-redirects-of-sources",
        "sidecar/adapters/attribute_http.py",
        "follow_redirects=False,",
        "follow_redirects=True,",
        "A source could have the sidecar ask anyone, with its headers.",
        ("tests/ports/test_attribute_client.py::test_a_redirect_is_not_followed_even_to_the_same_host[302]",),
    ),
)
