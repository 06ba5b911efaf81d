"""Between the pure core and the world: events in, effects out in LAW 2's order, jobs, supervision."""
