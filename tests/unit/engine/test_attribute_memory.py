"""What the deciding thread remembers of attribute sources: bounded, and each answer under its own source and values."""

from sidecar.engine.attributes import MAX_BYTES, AttributeMemory, AttributeRef
from sidecar.model.ask import Got


def test_is_bounded_and_keeps_what_is_used() -> None:
    memory, ref = AttributeMemory(), AttributeRef()
    big = Got({"a": "b"}, 64 * 1024, 0.0)
    count = MAX_BYTES // (10 * 64 * 1024)
    for number in range(count * 3):
        memory.put((ref, (str(number),)), big)
        first = memory.within((ref, ("0",)), 60.0, 1.0)
        assert first is not None
        first.used = True
    assert count - 2 <= len(memory) <= count
    assert memory.entries_of(ref) == len(memory)


def test_counts_by_source() -> None:
    memory, one, other = AttributeMemory(), AttributeRef(), AttributeRef()
    memory.put((one, ("a",)), Got(1, 1, 0.0))
    memory.put((one, ("a",)), Got(2, 1, 0.0))
    assert (memory.entries_of(one), memory.entries_of(other)) == (1, 0)
    assert memory.within((one, ("a",)), 1.0, 0.5).value == 2
    assert memory.within((other, ("a",)), 1.0, 0.5) is None
