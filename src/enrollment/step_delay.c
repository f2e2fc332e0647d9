/*
 * enrollment/step_delay.c
 *	  delay: stay for a while, until a local time, or until a date.
 *
 * A duration counts from the clock of arrival, also when the run itself was
 * late.  A due time that is not after it goes on at once.
 */
#include "postgres.h"

#include "enrollment/step.h"

/* The due time of the timing's own, spread by its jitter. */
static JoVerdict
block_with_jitter(JoVisit *visit, TimestampTz due, pg_tz *zone)
{
	visit->note.jitter = jo_due_jitter(&visit->step->u.delay.timing, due, zone,
									   visit->graph->name, visit->step->name,
									   visit->customer_id);
	return jo_due_block(visit, due + visit->note.jitter, JO_ENROLLMENT_DELAYED,
						visit->step->next);
}

static JoVerdict
delay_for(JoVisit *visit)
{
	const JoTiming *timing = &visit->step->u.delay.timing;
	TimestampTz from = timing->pattern.has_at ? visit->arrival : visit->now;
	pg_tz	   *zone = jo_due_zone(visit);
	TimestampTz due;

	if (!jo_due_for(&visit->step->u.delay.duration, timing, from, zone, &due))
		return jo_due_fail(visit);
	return block_with_jitter(visit, due, zone);
}

static JoVerdict
delay_local(JoVisit *visit)
{
	const JoLocalPattern *pattern = &visit->step->u.delay.timing.pattern;
	pg_tz	   *zone = jo_due_zone(visit);
	TimestampTz due;

	if (visit->step->u.delay.continues_when_missed &&
		jo_pattern_is_missed(pattern, visit->arrival, zone))
	{
		visit->reason = "missed";
		return jo_step_delay_due(visit);
	}
	if (!jo_pattern_next(pattern, visit->arrival, zone, &due))
		return jo_due_fail(visit);
	return block_with_jitter(visit, due, zone);
}

JoVerdict
jo_step_delay(JoVisit *visit)
{
	const JoStep *step = visit->step;

	switch (step->u.delay.form)
	{
		case JO_DELAY_FOR:
			return delay_for(visit);
		case JO_DELAY_LOCAL:
			return delay_local(visit);
		case JO_DELAY_UNTIL:
			return jo_due_at_date(visit, &step->u.delay.date,
								  JO_ENROLLMENT_DELAYED, step->next);
		case JO_DELAY_DURATION:
			break;
	}
	if (!step->u.delay.duration.is_elapsed)
		(void) jo_due_zone(visit);
	return jo_due_block(visit,
						jo_duration_add(visit->now, &step->u.delay.duration,
										visit->timezone),
						JO_ENROLLMENT_DELAYED, step->next);
}

JoVerdict
jo_step_delay_due(JoVisit *visit)
{
	visit->next = visit->step->next;
	return JO_VERDICT_GO;
}
