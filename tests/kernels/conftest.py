import pytest

from tests.kernels import native


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return native.build(tmp_path_factory.mktemp("kernels"))


@pytest.fixture(params=native.SETS)
def kernels(library, request):
    return native.kernels_named(library, request.param)
