/*
 * journey/store.c
 *	  Reads and writes the tables journey, journey_version and publication for
 *	  the authors' functions.
 *
 * Runs with the extension's rights; whoever calls has checked the author's.
 * Every write tells the caches.  Two authors of one name are kept apart by
 * JO_LOCK_NAME, which the callers take before they look.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/definition.h"
#include "core/run_as.h"
#include "journey/store.h"

/* Run one statement; SPI stays connected until leave(). */
static void
enter(JoRunAs *saved, const char *sql, int nargs, Oid *types, Datum *values,
	  const char *nulls)
{
	jo_run_as_extension(saved);
	SPI_connect();
	if (SPI_execute_with_args(sql, nargs, types, values, nulls, false, 0) < 0)
		elog(ERROR, "could not execute \"%s\"", sql);
}

static void
leave(const JoRunAs *saved)
{
	SPI_finish();
	jo_run_as_end(saved);
}

/* A column of the first row. */
static Datum
column(int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number,
						 isnull);
}

bool
jo_find_journey(const char *name, JoStoredJourney *journey)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1];
	JoRunAs		saved;
	bool		found;
	bool		isnull;

	values[0] = CStringGetTextDatum(name);
	enter(&saved,
		  "SELECT j.journey_id, j.owner::oid,"
		  " (SELECT coalesce(max(v.version), 0) FROM journey_orch.journey_version v"
		  "  WHERE v.journey_id = j.journey_id)"
		  " FROM journey_orch.journey j WHERE j.name = $1",
		  1, types, values, NULL);
	found = SPI_processed > 0;
	if (found)
	{
		journey->journey_id = DatumGetInt32(column(1, &isnull));
		journey->owner = DatumGetObjectId(column(2, &isnull));
		journey->newest = DatumGetInt32(column(3, &isnull));
	}
	leave(&saved);
	return found;
}

void
jo_get_journey(const char *name, JoStoredJourney *journey)
{
	if (!jo_find_journey(name, journey))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("journey \"%s\" does not exist", name),
				 errhint("Create it with journey_orch.define().")));
}

void
jo_ensure_journey_owner(const char *name, const JoStoredJourney *journey)
{
	char	   *owner;

	if (has_privs_of_role(GetUserId(), journey->owner))
		return;
	owner = GetUserNameFromId(journey->owner, true);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of journey \"%s\"", name),
			 owner ? errdetail("Its owner is role \"%s\".", owner) :
			 errdetail("Its owner, the role with OID %u, does not exist any more.", journey->owner)));
}

Jsonb *
jo_get_definition(const char *name, const JoStoredJourney *journey,
				  int32 *version)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[2] = {INT4OID, INT4OID};
	Datum		values[2];
	Jsonb	   *definition = NULL;
	JoRunAs		saved;
	bool		isnull;

	if (*version == 0)
		*version = journey->newest;
	values[0] = Int32GetDatum(journey->journey_id);
	values[1] = Int32GetDatum(*version);
	enter(&saved,
		  "SELECT definition FROM journey_orch.journey_version"
		  " WHERE journey_id = $1 AND version = $2",
		  2, types, values, NULL);
	if (SPI_processed > 0)
	{
		MemoryContext oldcontext = MemoryContextSwitchTo(context);

		definition = DatumGetJsonbPCopy(column(1, &isnull));
		MemoryContextSwitchTo(oldcontext);
	}
	leave(&saved);
	if (definition == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("version %d of journey \"%s\" does not exist", *version, name),
				 errdetail("The newest version is %d.", journey->newest)));
	return definition;
}

int32
jo_find_published(const JoStoredJourney *journey)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1];
	int32		version = 0;
	JoRunAs		saved;
	bool		isnull;

	values[0] = Int32GetDatum(journey->journey_id);
	enter(&saved,
		  "SELECT version FROM journey_orch.publication"
		  " WHERE journey_id = $1 AND act = 'publish' ORDER BY seq DESC LIMIT 1",
		  1, types, values, NULL);
	if (SPI_processed > 0)
		version = DatumGetInt32(column(1, &isnull));
	leave(&saved);
	return version;
}

int32
jo_find_version(const JoStoredJourney *journey, Datum hash)
{
	Oid			types[2] = {INT4OID, BYTEAOID};
	Datum		values[2];
	int32		version = 0;
	JoRunAs		saved;
	bool		isnull;

	values[0] = Int32GetDatum(journey->journey_id);
	values[1] = hash;
	enter(&saved,
		  "SELECT version FROM journey_orch.journey_version"
		  " WHERE journey_id = $1 AND canonical_hash = $2",
		  2, types, values, NULL);
	if (SPI_processed > 0)
		version = DatumGetInt32(column(1, &isnull));
	leave(&saved);
	return version;
}

static Datum
session_user_name(void)
{
	Name		name = palloc0(sizeof(NameData));

	namestrcpy(name, GetUserNameFromId(GetSessionUserId(), false));
	return NameGetDatum(name);
}

void
jo_insert_journey(const char *name, Oid owner, JoStoredJourney *journey)
{
	Oid			types[3] = {TEXTOID, OIDOID, TIMESTAMPTZOID};
	Datum		values[3];
	JoRunAs		saved;
	bool		isnull;

	values[0] = CStringGetTextDatum(name);
	values[1] = ObjectIdGetDatum(owner);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	enter(&saved,
		  "INSERT INTO journey_orch.journey (name, owner, created_at)"
		  " VALUES ($1, $2::regrole, $3) RETURNING journey_id",
		  3, types, values, NULL);
	journey->journey_id = DatumGetInt32(column(1, &isnull));
	journey->owner = owner;
	journey->newest = 0;
	leave(&saved);
	jo_definition_changed("journey");
}

int32
jo_insert_version(const JoStoredJourney *journey, Jsonb *definition, Datum hash)
{
	Oid			types[6] = {INT4OID, INT4OID, JSONBOID, BYTEAOID, TIMESTAMPTZOID, NAMEOID};
	Datum		values[6];
	JoRunAs		saved;
	int32		version = journey->newest + 1;

	values[0] = Int32GetDatum(journey->journey_id);
	values[1] = Int32GetDatum(version);
	values[2] = JsonbPGetDatum(definition);
	values[3] = hash;
	values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[5] = session_user_name();
	enter(&saved,
		  "INSERT INTO journey_orch.journey_version"
		  " (journey_id, version, definition, canonical_hash, created_at, created_by)"
		  " VALUES ($1, $2, $3, $4, $5, $6)",
		  6, types, values, NULL);
	leave(&saved);
	jo_definition_changed("journey_version");
	return version;
}

void
jo_insert_steps(const JoStoredJourney *journey, int32 version,
				const JoGraph *graph)
{
	Oid			types[4] = {INT4OID, INT4OID, TEXTARRAYOID, TEXTARRAYOID};
	Datum		values[4];
	Datum	   *names = palloc(graph->nsteps * sizeof(Datum));
	Datum	   *verbs = palloc(graph->nsteps * sizeof(Datum));
	JoRunAs		saved;

	for (int i = 0; i < graph->nsteps; i++)
	{
		names[i] = CStringGetTextDatum(graph->steps[i].name);
		verbs[i] = CStringGetTextDatum(jo_verb_name(graph->steps[i].verb));
	}
	values[0] = Int32GetDatum(journey->journey_id);
	values[1] = Int32GetDatum(version);
	values[2] = PointerGetDatum(construct_array(names, graph->nsteps, TEXTOID,
												-1, false, TYPALIGN_INT));
	values[3] = PointerGetDatum(construct_array(verbs, graph->nsteps, TEXTOID,
												-1, false, TYPALIGN_INT));
	enter(&saved,
		  "INSERT INTO journey_orch.journey_step"
		  " (journey_id, version, position, step, verb)"
		  " SELECT $1, $2, s.n - 1, s.step, s.verb"
		  " FROM unnest($3, $4) WITH ORDINALITY AS s(step, verb, n)",
		  4, types, values, NULL);
	leave(&saved);
}

void
jo_insert_publication(const JoStoredJourney *journey, const char *act,
					  int32 version, int64 seq, Jsonb *policy, TimestampTz at)
{
	Oid			types[8] = {INT4OID, INT8OID, INT4OID, JSONBOID, TIMESTAMPTZOID, TIMESTAMPTZOID, NAMEOID, TEXTOID};
	Datum		values[8];
	JoRunAs		saved;

	values[0] = Int32GetDatum(journey->journey_id);
	values[1] = Int64GetDatum(seq);
	values[2] = Int32GetDatum(version);
	values[3] = JsonbPGetDatum(policy);
	values[4] = TimestampTzGetDatum(at);
	values[5] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[6] = session_user_name();
	values[7] = CStringGetTextDatum(act);
	enter(&saved,
		  "INSERT INTO journey_orch.publication"
		  " (journey_id, seq, act, version, policy, at, recorded_at, actor)"
		  " VALUES ($1, $2, $8, nullif($3, 0), $4, $5, $6, $7)",
		  8, types, values, NULL);
	leave(&saved);
	jo_definition_changed("publication");
}
