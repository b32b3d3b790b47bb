"""Reflective access to the objects and fields of a JVM through Py4J."""

from typing import Any

type Jvm = Any


def identity(jvm: Jvm, value: Any) -> str:
    """Return the class name and identity hash code of a Java object."""
    return "null" if value is None else f"{value.getClass().getName()}@{jvm.java.lang.System.identityHashCode(value)}"


def text(jvm: Jvm, value: Any) -> str:
    """Return Java's toString of an object in one request; Py4J would fetch a collection element by element."""
    return str(jvm.java.util.Objects.toString(value))


def field_value(jvm: Jvm, class_name: str, name: str, owner: Any = None) -> Any:
    """Return the value of a field of any visibility: of the object `owner`, or a static one."""
    field = jvm.java.lang.Class.forName(class_name).getDeclaredField(name)
    field.setAccessible(True)
    return field.get(owner)


def set_long(jvm: Jvm, class_name: str, name: str, owner: Any, value: int) -> None:
    """Set a field of type long of the object `owner`."""
    field = jvm.java.lang.Class.forName(class_name).getDeclaredField(name)
    field.setAccessible(True)
    field.setLong(owner, value)
