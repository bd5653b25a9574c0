from tests.clock.conftest import bell, environment, producer

__all__ = ["bell", "environment", "producer"]
