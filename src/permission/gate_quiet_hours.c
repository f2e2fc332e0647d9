/*
 * permission/gate_quiet_hours.c
 *	  Gate "quiet_hours": at this hour nothing goes out to him.
 *
 * Every rule that covers the message and is about the customer's region has to
 * allow it, in every zone that he may be in (place.c).  A rule that withholds
 * decides before those that defer; else the message waits for the instant from
 * which none of them is quiet.
 */
#include "postgres.h"

#include "core/clock.h"
#include "permission/gate.h"
#include "permission/holiday.h"
#include "permission/hours.h"

bool
jo_gate_quiet_hours_is_active(JoGates *gates)
{
	bool		is_active = jo_hours_begin() != NIL;

	jo_hours_end();
	return is_active;
}

/* The rules that are about the message, wherever it arrives. */
static List *
covering_rules(const JoGateQuestion *question)
{
	List	   *rules = NIL;
	ListCell   *cell;

	foreach(cell, jo_hours_begin())
	{
		const JoHours *hours = lfirst(cell);

		if (jo_scope_covers(&hours->scope, question->channel,
							question->topic, question->journey))
			rules = lappend(rules, lfirst(cell));
	}
	return rules;
}

/* Those of them that are about the place. */
static List *
rules_of_place(List *covering, const JoPlace *place)
{
	List	   *rules = NIL;
	ListCell   *cell;

	foreach(cell, covering)
	{
		const JoHours *hours = lfirst(cell);

		if (jo_place_is_in(place, hours->region))
			rules = lappend(rules, lfirst(cell));
	}
	return rules;
}

static bool
is_quiet(const JoHours *hours, const JoPlace *place, TimestampTz instant)
{
	for (int i = 0; i < place->n; i++)
	{
		if (jo_hours_end_of_quiet(hours, place->region, place->zones[i],
								  instant) > instant)
			return true;
	}
	return false;
}

/* "08:00", with seconds where there are any. */
static char *
time_string(int64 time)
{
	int			seconds = time / USECS_PER_SEC;

	if (seconds % SECS_PER_MINUTE == 0)
		return psprintf("%02d:%02d", seconds / SECS_PER_HOUR,
						seconds / SECS_PER_MINUTE % MINS_PER_HOUR);
	return psprintf("%02d:%02d:%02d", seconds / SECS_PER_HOUR,
					seconds / SECS_PER_MINUTE % MINS_PER_HOUR,
					seconds % SECS_PER_MINUTE);
}

static Jsonb *
make_evidence(const JoHours *decisive, List *quiet, const JoPlace *place)
{
	JoEvidence	evidence = {0};
	const char **names = palloc(list_length(quiet) * sizeof(char *));
	ListCell   *cell;

	foreach(cell, quiet)
	{
		const JoHours *hours = lfirst(cell);

		names[foreach_current_index(cell)] = hours->name;
	}
	jo_evidence_text(&evidence, "from", time_string(decisive->from));
	jo_evidence_text(&evidence, "to", time_string(decisive->to));
	jo_evidence_text(&evidence, "rule_region", decisive->region);
	jo_evidence_text(&evidence, "source", decisive->source);
	jo_evidence_bool(&evidence, "reviewed", decisive->is_reviewed);
	jo_evidence_texts(&evidence, "quiet_rules", names, list_length(quiet));
	jo_place_tell(place, &evidence);
	return jo_evidence_end(&evidence);
}

/* Decide by the rules of the place. */
static void
decide(const JoGates *gates, List *rules, const JoPlace *place,
	   JoGateDecision *decision)
{
	const JoHours *decisive = NULL;
	List	   *quiet = NIL;
	ListCell   *cell;

	foreach(cell, rules)
	{
		const JoHours *hours = lfirst(cell);

		if (!is_quiet(hours, place, gates->clock))
			continue;
		quiet = lappend(quiet, lfirst(cell));
		if (decisive == NULL || (hours->withholds && !decisive->withholds))
			decisive = hours;
	}
	if (decisive == NULL)
		return;

	decision->rule = pstrdup(decisive->name);
	decision->reason = "quiet_hours";
	decision->answer = JO_GATE_WITHHOLD;
	if (!decisive->withholds)
	{
		TimestampTz opening = jo_hours_next_opening(rules, place,
													gates->clock);

		if (opening != DT_NOEND)
		{
			decision->answer = JO_GATE_DEFER;
			decision->until = opening;
		}
	}
	decision->evidence = make_evidence(decisive, quiet, place);
}

void
jo_gate_quiet_hours(JoGates *gates, const JoGateQuestion *question,
					JoGateDecision *decision)
{
	List	   *covering = covering_rules(question);

	if (covering != NIL)
	{
		JoPlace		place;

		jo_place_find(question, &place);
		jo_holidays_begin();
		decide(gates, rules_of_place(covering, &place), &place, decision);
		jo_holidays_end();
	}
	jo_hours_end();
}
