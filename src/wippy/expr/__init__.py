"""The expression language expr-lang: `user.age >= 18 and "admin" in user.roles` (spec 04b §11).

    program = Program("price * count > 100")
    program.run({"price": 20, "count": 6})   # True

Expressions see plain data only, and a run ends within its budget of steps.
"""

from wippy.expr.program import Program, Programs

__all__ = ["Program", "Programs"]
