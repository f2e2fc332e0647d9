/*
 * enrollment/step_due.c
 *	  What delay, wait and digest share: how an arrival becomes a due time.
 *
 * A due time is computed once, on arrival, and stored; a zone or a date that
 * changes later matters at the next step.  What it was computed from goes to
 * the step log (visit->note).
 */
#include "postgres.h"

#include "utils/lsyscache.h"

#include "enrollment/step.h"

/* The stage of a visit that has asked for its date; far from the others'. */
#define STAGE_DATE 1000

pg_tz *
jo_due_zone(JoVisit *visit)
{
	pg_tz	   *zone = jo_zone_get(visit->timezone);

	visit->note.timezone = pg_get_timezone_name(zone);
	visit->note.timezone_of = visit->is_own_timezone ? "customer" :
		visit->graph->has_timezone ? "journey" : "default";
	visit->note.unknown_timezone = visit->unknown_timezone;
	return zone;
}

JoVerdict
jo_due_fail(JoVisit *visit)
{
	visit->error = palloc0(sizeof(JoError));
	strlcpy(visit->error->sqlstate,
			unpack_sql_state(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			sizeof(visit->error->sqlstate));
	visit->error->message =
		psprintf("step \"%s\" has no due time in range in time zone \"%s\"",
				 visit->step->name, visit->timezone);
	return JO_VERDICT_FAIL;
}

JoVerdict
jo_due_block(JoVisit *visit, TimestampTz due, JoEnrollmentState state,
			 int next)
{
	if (due <= visit->now)
	{
		visit->next = next;
		return JO_VERDICT_GO;
	}
	visit->state = state;
	visit->due_at = due == DT_NOEND ? JO_NO_TIME : due;
	return JO_VERDICT_BLOCK;
}

/* The date is not there, or has passed: do as declared. */
static JoVerdict
lapse(JoVisit *visit, const JoLapsePolicy *policy, const char *reason,
	  int next)
{
	visit->reason = reason;
	visit->next = next;
	switch (policy->lapse)
	{
		case JO_LAPSE_EXIT:
			visit->reason = policy->reason;
			return JO_VERDICT_END;
		case JO_LAPSE_SKIP:
			visit->next = policy->skip_to;
			visit->skips = true;
			return JO_VERDICT_GO;
		default:
			return JO_VERDICT_GO;
	}
}

JoVerdict
jo_due_at_date(JoVisit *visit, const JoDateRule *rule,
			   JoEnrollmentState state, int next)
{
	pg_tz	   *zone;
	TimestampTz due;

	if (visit->stage != STAGE_DATE)
	{
		visit->stage = STAGE_DATE;
		visit->ask = rule->date;
		return JO_VERDICT_ASK;
	}
	if (visit->isnull)
		return lapse(visit, &rule->missing, "missing_date", next);

	zone = jo_due_zone(visit);
	visit->note.has_date = true;
	visit->note.date = visit->value;
	visit->note.date_type = getBaseType(jo_expression_type(rule->date));
	if (!jo_due_date(rule, visit->value, 0, zone, &due))
		return jo_due_fail(visit);
	if (due < visit->arrival)
	{
		/* A date at the beginning of time has no recurrence. */
		if (rule->past.lapse != JO_LAPSE_NEXT || due == DT_NOBEGIN)
			return lapse(visit, &rule->past, "past_date", next);
		if (!jo_due_next_date(rule, visit->value, due, visit->arrival, zone,
							  &due, NULL))
			return jo_due_fail(visit);
	}
	visit->note.jitter = jo_due_jitter(&rule->timing, due, zone,
									   visit->graph->name, visit->step->name,
									   visit->customer_id);
	return jo_due_block(visit, due + visit->note.jitter, state, next);
}

/* The due time of the timing's own, spread by its jitter. */
static JoVerdict
block_with_jitter(JoVisit *visit, const JoTiming *timing, TimestampTz due,
				  pg_tz *zone, JoEnrollmentState state, int next)
{
	visit->note.jitter = jo_due_jitter(timing, due, zone, visit->graph->name,
									   visit->step->name, visit->customer_id);
	return jo_due_block(visit, due + visit->note.jitter, state, next);
}

static JoVerdict
delay_for(JoVisit *visit, const JoDelay *time, JoEnrollmentState state,
		  int next)
{
	TimestampTz from = time->timing.pattern.has_at ?
	visit->arrival : visit->now;
	pg_tz	   *zone = jo_due_zone(visit);
	TimestampTz due;

	if (!jo_due_for(&time->duration, &time->timing, from, zone, &due))
		return jo_due_fail(visit);
	return block_with_jitter(visit, &time->timing, due, zone, state, next);
}

static JoVerdict
delay_local(JoVisit *visit, const JoDelay *time, JoEnrollmentState state,
			int next)
{
	const JoLocalPattern *pattern = &time->timing.pattern;
	pg_tz	   *zone = jo_due_zone(visit);
	TimestampTz due;

	if (time->continues_when_missed &&
		jo_pattern_is_missed(pattern, visit->arrival, zone))
	{
		visit->reason = "missed";
		visit->next = next;
		return JO_VERDICT_GO;
	}
	if (!jo_pattern_next(pattern, visit->arrival, zone, &due))
		return jo_due_fail(visit);
	return block_with_jitter(visit, &time->timing, due, zone, state, next);
}

JoVerdict
jo_due_delay(JoVisit *visit, const JoDelay *time, JoEnrollmentState state,
			 int next)
{
	switch (time->form)
	{
		case JO_DELAY_FOR:
			return delay_for(visit, time, state, next);
		case JO_DELAY_LOCAL:
			return delay_local(visit, time, state, next);
		case JO_DELAY_UNTIL:
			return jo_due_at_date(visit, &time->date, state, next);
		case JO_DELAY_DURATION:
			break;
	}
	if (!time->duration.is_elapsed)
		(void) jo_due_zone(visit);
	return jo_due_block(visit,
						jo_duration_add(visit->now, &time->duration,
										visit->timezone),
						state, next);
}
