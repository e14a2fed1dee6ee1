import inspect

import pytest

from models import errors
from models.errors import BackendError, HubModelError, MissingBackendExtra, ModelError

ALL = [each for _, each in inspect.getmembers(errors, inspect.isclass)]


def test_a_missing_extra_is_named_with_its_pip_command() -> None:
    error = MissingBackendExtra("openvino", "eval")
    assert str(error) == "openvino needs an extra that is not installed: pip install 'tagpulse[eval]'"
    assert isinstance(error, BackendError)


def test_a_third_party_model_is_named_with_its_task() -> None:
    error = HubModelError("topic", "someone/themes", "has no labels: choose another model")
    assert str(error) == "the topic model 'someone/themes' has no labels: choose another model"
    assert error.task == "topic"


@pytest.mark.parametrize("error", ALL, ids=lambda error: error.__name__)
def test_the_tree_in_the_documentation_has_each_exception_below_its_base_class(error: type[ModelError]) -> None:
    lines = (errors.__doc__ or "").splitlines()
    depths = {name: line.index(name) for line in lines for name in line.split() if name in vars(errors)}
    assert issubclass(error, ModelError)
    depth = error.__mro__.index(ModelError)
    assert depths[error.__name__] == 4 * depth
    above = [name for name in list(depths)[: list(depths).index(error.__name__)] if depths[name] < 4 * depth]
    assert not depth or above[-1] == error.__mro__[1].__name__
