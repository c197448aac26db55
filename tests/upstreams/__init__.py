"""Real upstream stacks with one tree of handlers each: what they route a path to is the truth that the sidecar must not contradict.

Public: ``/``, ``/files/{name}``, ``/api/v1/users/help``, ``/static/**`` and every path that nothing else takes. Protected: ``/admin/**``,
``/public/private/**``, ``/api/v1/users/**`` but for help, ``/static/private/**``. Each answer has ``x-handler`` (``public:NAME`` or
``protected:NAME``) and ``x-saw`` (the path as the handler saw it, percent-encoded); a static file says the same as its content.
"""
