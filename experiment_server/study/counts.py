"""Counts how often each item of orders is at each position, and how often it follows each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from experiment_server.study.model import Names

Matrix = tuple[tuple[int, ...], ...]


class OrderCounts:
    """The position and carry-over counts of the added orders."""

    def __init__(self) -> None:
        self.participants = 0
        self.length = 0
        self.items: dict[str, None] = {}
        self._positions: dict[tuple[str, int], int] = {}
        self._carry_over: dict[tuple[str, str], int] = {}

    def know(self, items: Iterable[str]) -> None:
        """Include these items in the counts, even if no order contains them."""
        self.items.update(dict.fromkeys(items))

    def add(self, order: Names) -> None:
        """Add the positions and the carry-over of one order."""
        self.add_order(order)
        self.add_pairs(order)

    def add_order(self, order: Names) -> None:
        """Add only the positions of one order."""
        self.participants += 1
        self.length = max(self.length, len(order))
        self.know(order)
        for position, name in enumerate(order):
            self._positions[name, position] = self._positions.get((name, position), 0) + 1

    def add_pairs(self, order: Names) -> None:
        """Add only the carry-over of one order."""
        self.know(order)
        for pair in pairwise(order):
            self._carry_over[pair] = self._carry_over.get(pair, 0) + 1

    def take(self, other: OrderCounts) -> None:
        """Add all counts of another instance."""
        self.participants += other.participants
        self.length = max(self.length, other.length)
        self.know(other.items)
        for item_position, count in other._positions.items():
            self._positions[item_position] = self._positions.get(item_position, 0) + count
        for pair, count in other._carry_over.items():
            self._carry_over[pair] = self._carry_over.get(pair, 0) + count

    def positions(self, items: Names) -> Matrix:
        """The count of each item at each position: `[item][position]`."""
        return tuple(
            tuple(self._positions.get((name, position), 0) for position in range(self.length))
            for name in items
        )

    def carry_over(self, items: Names) -> Matrix:
        """The count of each item directly followed by each: `[item][next item]`."""
        return tuple(
            tuple(self._carry_over.get((name, other), 0) for other in items) for name in items
        )

    def is_position_balanced(self) -> bool:
        """Whether each item is at each position equally often."""
        return all(
            self._positions.get((name, 0), 0) == self._positions.get((name, position), 0)
            for name in self.items
            for position in range(1, self.length)
        )

    def is_carry_over_balanced(self) -> bool:
        """Whether each item is followed by each other item equally often."""
        counts = (count for _, count in self.followers())
        first = next(counts, 0)
        return all(count == first for count in counts)

    def followers(self) -> Iterator[tuple[tuple[str, str], int]]:
        """The count of each pair of different items that follow each other."""
        for name in self.items:
            for other in self.items:
                if name != other:
                    yield (name, other), self._carry_over.get((name, other), 0)

    def balanced(self) -> dict[str, bool]:
        """Whether `position` and `carry_over` are balanced; empty if there is nothing to order.

        If each participant gets only one of several items, the result has only `position`: whether
        all items occur equally often.
        """
        if self.length < 2:
            counts = {self._positions.get((name, 0), 0) for name in self.items}
            return {"position": len(counts) == 1} if self.length and len(self.items) > 1 else {}
        return {
            "position": self.is_position_balanced(),
            "carry_over": self.is_carry_over_balanced(),
        }

    def extent(self, goal: str) -> tuple[int, int]:
        """The smallest and the largest count of a goal."""
        if goal == "position":
            found = [count for row in self.positions(tuple(self.items)) for count in row]
        else:
            found = [count for _, count in self.followers()]
        return min(found, default=0), max(found, default=0)
