"""Fixtures that the tests of task hypernetworks share."""

from tests.t2l.test_t2l import encoder, tasks_dir  # noqa: F401  fixtures
