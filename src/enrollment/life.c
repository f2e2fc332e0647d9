/*
 * enrollment/life.c
 *	  pause(), resume(), stop() and archive(): the life of a journey after
 *	  publish().
 *
 * Each takes the lock of the journey's name first, so two of them never act on
 * the same state, and acts of a journey are committed in the order of their
 * tickets (test/isolation/specs/life_acts).  Asking for what is already so is
 * no act, but a notice.
 *
 * A pause tells no lane: a run meets it before it would execute a step, since
 * acts are read from the cache, and claim() looks for it by itself.  What has
 * to reach people who do nothing by themselves (resume, an exit) is announced
 * to every lane.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "capture/capture.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "enrollment/life.h"
#include "enrollment/plan.h"
#include "journey/author.h"

PG_FUNCTION_INFO_V1(journey_orch_pause);
PG_FUNCTION_INFO_V1(journey_orch_resume);
PG_FUNCTION_INFO_V1(journey_orch_stop);
PG_FUNCTION_INFO_V1(journey_orch_archive);

#define MAX_RATE 1e6

int
jo_word_argument(FunctionCallInfo fcinfo, int number, const char *name,
				 const char *const *words, int nwords)
{
	char	   *word;
	StringInfoData known;

	jo_ensure_not_null(fcinfo, number, name);
	word = text_to_cstring(PG_GETARG_TEXT_PP(number));
	initStringInfo(&known);
	for (int i = 0; i < nwords; i++)
	{
		if (strcmp(word, words[i]) == 0)
			return i;
		appendStringInfo(&known, "%s\"%s\"", i > 0 ? ", " : "", words[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s => \"%s\" is not known", name, jo_clipped(word)),
			 errhint("It is one of %s.", known.data)));
}

/* May the current user act on every journey? */
static bool
is_operator(void)
{
	Oid			role = get_role_oid("journey_orch_operator", true);

	return OidIsValid(role) && has_privs_of_role(GetUserId(), role);
}

const JoAct *
jo_life_begin(const char *name, bool operators, JoStoredJourney *journey)
{
	PreventCommandIfReadOnly("journey_orch's life cycle functions");

	/* The batch around a call has its caches open: they are not of now. */
	if (jo_event_cause != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("journey_orch's life cycle functions cannot be used in a call step"),
				 errhint("Let the step write to a table, and act on the journey from outside.")));
	jo_lock(JO_LOCK_NAME, jo_lock_key(name));
	jo_get_journey(name, journey);
	if (!operators || !is_operator())
		jo_ensure_journey_owner(name, journey);
	jo_leaf_ensure();
	jo_journey_cache_begin();
	return jo_act_before(journey->journey_id, PG_INT64_MAX);
}

int64
jo_life_act(const JoStoredJourney *journey, JoActKind kind, int32 version,
			const char *policy, TimestampTz at)
{
	int64		seq = jo_event_ticket(1);
	Datum		json = DirectFunctionCall1(jsonb_in, CStringGetDatum(policy));

	jo_insert_publication(journey, jo_act_name(kind), version, seq,
						  DatumGetJsonbP(json), at);
	return seq;
}

void
jo_life_announce(const JoStoredJourney *journey, JoActKind kind, TimestampTz at)
{
	char	   *payload = psprintf("{\"journey_id\": %d, \"act\": \"%s\"}",
								   journey->journey_id, jo_act_name(kind));
	JoEvent		events[JO_LANES];

	memset(events, 0, sizeof(events));
	for (int lane = 0; lane < JO_LANES; lane++)
	{
		events[lane].kind = JO_EVENT_KIND_COMMAND;
		events[lane].customer_id = "";
		events[lane].control_lane = lane;
		events[lane].name = JO_COMMAND_ACT;
		events[lane].instant = at;
		events[lane].payload =
			DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											   CStringGetDatum(payload)));
	}
	jo_event_append(events, JO_LANES);
}

void
jo_life_hold_lanes(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("this must see what the lanes have just done"),
				 errhint("Use a transaction of isolation level READ COMMITTED.")));
	for (int lane = 0; lane < JO_LANES; lane++)
		jo_lock(JO_LOCK_LANE, lane);
}

/* Raise 55000 for a journey that has not begun, or has been laid aside. */
static void
ensure_published(const char *name, const JoAct *act)
{
	if (act == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("journey \"%s\" was never published", name),
				 errhint("Publish it with journey_orch.publish().")));
	if (act->state == JO_JOURNEY_ARCHIVED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("journey \"%s\" is archived", name)));
}

static char *
name_argument(FunctionCallInfo fcinfo)
{
	jo_ensure_not_null(fcinfo, 0, "journey");
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

/* pause(journey, newcomers, waits) returns bigint: people inside */
Datum
journey_orch_pause(PG_FUNCTION_ARGS)
{
	static const char *const newcomers_words[] = {"queue", "ignore"};
	static const char *const waits_words[] = {"run", "extend"};
	char	   *name = name_argument(fcinfo);
	int			newcomers = jo_word_argument(fcinfo, 1, "newcomers",
											 newcomers_words, 2);
	int			waits = jo_word_argument(fcinfo, 2, "waits", waits_words, 2);
	JoStoredJourney journey;
	const JoAct *act = jo_life_begin(name, true, &journey);

	ensure_published(name, act);
	if (act->pause >= 0)
		ereport(NOTICE,
				(errmsg("journey \"%s\" is paused already", name),
				 errhint("Resume it first to pause it with other policies.")));
	else
		(void) jo_life_act(&journey, JO_ACT_PAUSE, 0,
						   psprintf("{\"newcomers\": \"%s\", \"waits\": \"%s\"}",
									newcomers_words[newcomers],
									waits_words[waits]),
						   jo_clock_now());
	jo_journey_cache_end();
	PG_RETURN_INT64(jo_people_inside(journey.journey_id, NULL));
}

/* Releases a second; 0: all at once. */
static double
rate_argument(FunctionCallInfo fcinfo)
{
	double		rate;

	if (PG_ARGISNULL(1))
		return 0;
	if (numeric_is_nan(PG_GETARG_NUMERIC(1)) ||
		numeric_is_inf(PG_GETARG_NUMERIC(1)))
		rate = -1;
	else
		rate = DatumGetFloat8(DirectFunctionCall1(numeric_float8,
												  PG_GETARG_DATUM(1)));
	if (rate < 1e-6 || rate > MAX_RATE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rate must be between 0.000001 and %.0f a second",
						MAX_RATE),
				 errhint("NULL releases everybody at once.")));
	return rate;
}

/* resume(journey, rate) returns bigint: runs that were held */
Datum
journey_orch_resume(PG_FUNCTION_ARGS)
{
	char	   *name = name_argument(fcinfo);
	double		rate = rate_argument(fcinfo);
	JoStoredJourney journey;
	const JoAct *act = jo_life_begin(name, true, &journey);
	TimestampTz at = jo_clock_now();
	int64		held = 0;

	ensure_published(name, act);
	if (act->pause < 0)
		ereport(NOTICE,
				(errmsg("journey \"%s\" is not paused", name)));
	else
	{
		char	   *policy = "{}";

		held = jo_people_inside(journey.journey_id, "held");
		if (rate > 0)
			policy = psprintf("{\"rate\": %.17g, \"held\": " INT64_FORMAT "}",
							  rate, held);
		(void) jo_life_act(&journey, JO_ACT_RESUME, 0, policy, at);
		if (rate > 0)
			held = jo_people_release(journey.journey_id, rate, at);
		jo_life_announce(&journey, JO_ACT_RESUME, at);
	}
	jo_journey_cache_end();
	PG_RETURN_INT64(held);
}

/* stop(journey, inflight) returns bigint: people inside */
Datum
journey_orch_stop(PG_FUNCTION_ARGS)
{
	static const char *const inflight_words[] = {"finish", "exit"};
	char	   *name = name_argument(fcinfo);
	int			inflight = jo_word_argument(fcinfo, 1, "inflight",
											inflight_words, 2);
	JoStoredJourney journey;
	const JoAct *act = jo_life_begin(name, true, &journey);
	TimestampTz at = jo_clock_now();

	ensure_published(name, act);
	if (act->is_stopped && inflight == JO_INFLIGHT_FINISH)
		ereport(NOTICE,
				(errmsg("journey \"%s\" is stopped already", name)));
	else
	{
		(void) jo_life_act(&journey, JO_ACT_STOP, 0,
						   psprintf("{\"inflight\": \"%s\"}",
									inflight_words[inflight]), at);
		if (inflight == JO_INFLIGHT_EXIT)
			jo_life_announce(&journey, JO_ACT_STOP, at);
		jo_plan_follow(journey.journey_id,
					   jo_graph(journey.journey_id, act->version), NULL, at);
	}
	jo_journey_cache_end();
	PG_RETURN_INT64(jo_people_inside(journey.journey_id, NULL));
}

/* archive(journey) returns void */
Datum
journey_orch_archive(PG_FUNCTION_ARGS)
{
	char	   *name = name_argument(fcinfo);
	JoStoredJourney journey;
	const JoAct *act = jo_life_begin(name, true, &journey);
	int64		inside;

	if (act != NULL && act->state == JO_JOURNEY_ARCHIVED)
	{
		ereport(NOTICE,
				(errmsg("journey \"%s\" is archived already", name)));
		jo_journey_cache_end();
		PG_RETURN_VOID();
	}
	ensure_published(name, act);
	if (!act->is_stopped)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("journey \"%s\" is not stopped", name),
				 errhint("Stop it first with journey_orch.stop().")));

	/* a batch under way may be letting somebody in */
	jo_life_hold_lanes();
	inside = jo_people_inside(journey.journey_id, NULL);
	if (inside > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("journey \"%s\" has people inside", name),
				 errdetail("%lld run(s) are active, %lld of them parked.",
						   (long long) inside,
						   (long long) jo_people_inside(journey.journey_id,
														"parked")),
				 errhint("Wait until they have finished, or stop it with inflight => 'exit'.")));
	(void) jo_life_act(&journey, JO_ACT_ARCHIVE, 0, "{}", jo_clock_now());
	jo_plan_forget(journey.journey_id);
	jo_journey_cache_end();
	PG_RETURN_VOID();
}
