/*
 * permission/halt.c
 *	  Kill switches: halt(), unhalt(), and what is halted now.
 *
 * Every act is a row of halt_act, which nobody changes: who did it, when and
 * why.  The newest act of a scope and name says how it stands.  A claim looks
 * with its own snapshot (jo_definition_adopt()), so a halt is effective for
 * every claim that begins after its commit, and needs no restart of anything
 * (test/isolation/specs/halt.spec).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "core/cache.h"
#include "core/clock.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "permission/argument.h"
#include "permission/gate.h"
#include "permission/halt.h"

PG_FUNCTION_INFO_V1(journey_orch_halt);
PG_FUNCTION_INFO_V1(journey_orch_unhalt);

/* In the order of JoHaltScope. */
static const char *const scopes[] = {
	"global", "channel", "journey", "topic", NULL
};

/* Columns of halt_act. */
enum
{
	Anum_seq = 1,
	Anum_scope,
	Anum_name,
	Anum_act,
	Anum_reason,
	Anum_at
};

static JoCache cache = {
	.name = "halts",
	.tables = {"halt_act"}
};

static List *halts;				/* of JoHalt */

void
jo_halt_init(void)
{
	jo_cache_register(&cache);
}

/* ---- what is halted ---- */

static bool
is_of(const JoHalt *halt, JoHaltScope scope, const char *name)
{
	if (halt->scope != scope)
		return false;
	return halt->name == NULL ||
		(name != NULL && strcmp(halt->name, name) == 0);
}

static char *
slot_text(TupleTableSlot *slot, int attnum)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attnum, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static JoHaltScope
scope_of(const char *word)
{
	for (int i = 0; scopes[i] != NULL; i++)
		if (strcmp(scopes[i], word) == 0)
			return (JoHaltScope) i;
	elog(ERROR, "unexpected scope \"%s\" of a halt", word);
}

/* Take one act, in any order; seq tells which is newest. */
static void
read_act(TupleTableSlot *slot, void *arg)
{
	List	  **acts = arg;
	MemoryContext caller = MemoryContextSwitchTo(jo_cache_context(&cache));
	JoHaltScope scope = scope_of(slot_text(slot, Anum_scope));
	char	   *name = slot_text(slot, Anum_name);
	JoHalt	   *halt = NULL;
	bool		isnull;
	int64		seq = DatumGetInt64(slot_getattr(slot, Anum_seq, &isnull));
	ListCell   *cell;

	foreach(cell, *acts)
	{
		if (is_of(lfirst(cell), scope, name))
			halt = lfirst(cell);
	}
	if (halt == NULL)
	{
		halt = palloc0(sizeof(JoHalt));
		halt->scope = scope;
		halt->name = name;
		*acts = lappend(*acts, halt);
	}
	if (halt->seq < seq)
	{
		halt->seq = seq;
		halt->reason = slot_text(slot, Anum_reason);
		halt->at = strcmp(slot_text(slot, Anum_act), "halt") == 0 ?
			DatumGetTimestampTz(slot_getattr(slot, Anum_at, &isnull)) :
			JO_NO_TIME;
	}
	MemoryContextSwitchTo(caller);
}

static void
fill(void)
{
	List	   *acts = NIL;
	ListCell   *cell;
	MemoryContext caller;

	halts = NIL;
	jo_cache_read_table("halt_act", read_act, &acts);
	caller = MemoryContextSwitchTo(jo_cache_context(&cache));
	foreach(cell, acts)
	{
		JoHalt	   *halt = lfirst(cell);

		if (halt->at != JO_NO_TIME)
			halts = lappend(halts, halt);
	}
	MemoryContextSwitchTo(caller);
	jo_cache_filled(&cache);
}

bool
jo_halts_begin(void)
{
	if (jo_cache_begin(&cache))
		fill();
	return halts != NIL;
}

void
jo_halts_end(void)
{
	jo_cache_end(&cache);
}

const JoHalt *
jo_halt_find(JoHaltScope scope, const char *name)
{
	ListCell   *cell;

	foreach(cell, halts)
	{
		if (is_of(lfirst(cell), scope, name))
			return lfirst(cell);
	}
	return NULL;
}

char *
jo_halt_rule(const JoHalt *halt)
{
	return halt->name == NULL ? pstrdup(scopes[halt->scope]) :
		psprintf("%s %s", scopes[halt->scope], halt->name);
}

char *
jo_halt_of_channel(const char *channel, Snapshot snapshot)
{
	const JoHalt *halt = NULL;
	char	   *rule = NULL;

	jo_definition_adopt(snapshot);
	if (jo_halts_begin())
	{
		halt = jo_halt_find(JO_HALT_GLOBAL, NULL);
		if (halt == NULL)
			halt = jo_halt_find(JO_HALT_CHANNEL, channel);
		if (halt != NULL)
			rule = jo_halt_rule(halt);
	}
	jo_halts_end();
	return rule;
}

/* ---- the functions ---- */

/* Scope and name of a call; raises where they do not go together. */
static void
read_target(FunctionCallInfo fcinfo, const char *function, char **scope,
			char **name)
{
	bool		is_global;

	*scope = jo_argument_text(fcinfo, 0, function, "scope");
	*name = jo_argument_name(fcinfo, 1, function, "name");
	jo_argument_one_of("scope", *scope, scopes);
	is_global = scope_of(*scope) == JO_HALT_GLOBAL;
	if (is_global && *name != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("scope \"global\" takes no name, but \"%s\" was given",
						jo_clipped(*name)),
				 errhint("Name the reason with reason => ..., or choose scope channel, journey or topic.")));
	if (!is_global && *name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s() must not be null",
						"name", function),
				 errhint("Only scope global has no name.")));
}

/* Raise 42704 unless there is something to be halted; topics need not be
 * declared.  Inside SPI. */
static void
ensure_exists(const char *scope, const char *name)
{
	JoParameters parameters = {0};
	JoHaltScope kind = scope_of(scope);

	if (kind == JO_HALT_GLOBAL || kind == JO_HALT_TOPIC)
		return;
	jo_parameter_text(&parameters, name);
	if (jo_parameters_execute(&parameters, kind == JO_HALT_CHANNEL ?
							  "SELECT FROM journey_orch.channel WHERE channel = $1" :
							  "SELECT FROM journey_orch.journey WHERE name = $1") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("%s \"%s\" does not exist", scope, jo_clipped(name)),
				 errhint("Look at view journey_orch.%s.",
						 kind == JO_HALT_CHANNEL ? "channel_status" :
						 "journey_status")));
}

/* Append an act, unless the newest one says the same. */
static bool
write_act(const char *scope, const char *name, const char *act,
		  const char *reason)
{
	JoParameters parameters = {0};

	jo_parameter_text(&parameters, scope);
	jo_parameter_text(&parameters, name);
	jo_parameter_text(&parameters, act);
	jo_parameter_text(&parameters, reason);
	jo_parameter_text(&parameters, GetUserNameFromId(GetSessionUserId(), false));
	jo_parameter(&parameters, TIMESTAMPTZOID,
				 TimestampTzGetDatum(jo_clock_now()), false);
	return jo_parameters_execute(&parameters,
								 "INSERT INTO journey_orch.halt_act"
								 " SELECT nextval('journey_orch.halt_act_seq'), $1, $2, $3, $4,"
								 "  $6, clock_timestamp(), $5"
								 " WHERE ($3, CASE WHEN $3 = 'halt' THEN $4 END) IS DISTINCT FROM"
								 "  (SELECT (a.act, CASE WHEN a.act = 'halt' THEN a.reason END)"
								 "   FROM journey_orch.halt_act AS a"
								 "   WHERE a.scope = $1 AND a.name IS NOT DISTINCT FROM $2"
								 "   ORDER BY a.seq DESC LIMIT 1)"
								 " AND ($3 = 'halt' OR EXISTS"
								 "  (SELECT FROM journey_orch.halt_act AS a"
								 "   WHERE a.scope = $1 AND a.name IS NOT DISTINCT FROM $2))") > 0;
}

/* Do what halt() and unhalt() have in common; true when it changed anything. */
static bool
act_on(FunctionCallInfo fcinfo, const char *act)
{
	char	   *scope;
	char	   *name;
	bool		has_changed;
	JoRunAs		saved;

	read_target(fcinfo, act, &scope, &name);
	jo_leaf_ensure();
	jo_lock(JO_LOCK_NAME, jo_lock_key(psprintf("halt %s %s", scope,
											   name ? name : "")));
	jo_run_as_extension(&saved);
	SPI_connect();
	if (strcmp(act, "halt") == 0)
		ensure_exists(scope, name);
	has_changed = write_act(scope, name, act, jo_argument_optional(fcinfo, 2));
	SPI_finish();
	jo_run_as_end(&saved);
	if (has_changed)
		jo_definition_changed("halt_act");
	return has_changed;
}

/* halt(scope, name, reason) → 'halted' or 'unchanged'. */
Datum
journey_orch_halt(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(act_on(fcinfo, "halt") ? "halted" :
									 "unchanged"));
}

/* unhalt(scope, name, reason) → 'unhalted' or 'unchanged'. */
Datum
journey_orch_unhalt(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(act_on(fcinfo, "unhalt") ? "unhalted" :
									 "unchanged"));
}
