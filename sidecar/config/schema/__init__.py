"""The configuration as pydantic models: types, defaults and descriptions. What it means is checked in ``semantics``.

Every key that operators may write stands here with a description; the JSON Schema and the reference
documentation are made from these. Keys whose behaviour is not built yet are marked ``x-unbuilt``.
"""
