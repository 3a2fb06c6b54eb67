"""What all tests share; each plugin says what it is for."""

pytest_plugins = ["pytester", "tests.apiserver.fixtures", "tests.cluster.fixtures", "tests.leaks"]
