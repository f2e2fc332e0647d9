/*
 * experiment/holdout.c
 *	  The global holdout: one slice of the customers, the same in every journey,
 *	  who run journeys without their sends.
 *
 * Who is in it is a bucket (core/identity.c) under a name that no journey can
 * have, so a larger share only adds people.  A setting is a row with a capture
 * ticket: an event meets the setting before its own ticket, whatever order the
 * lanes read events in, and a batch that is done again finds the same people.
 * A run keeps what it was at its entry.
 *
 * Messages about topics of class transactional and legal are exempt: they are
 * owed to the customer.  The class is the one of now, as for consent.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"

#include "capture/capture.h"
#include "core/cache.h"
#include "core/clock.h"
#include "core/definition.h"
#include "core/identity.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "experiment/holdout.h"

#define EXPERIMENT "$global_holdout"
#define BUCKETS 10000

PG_FUNCTION_INFO_V1(journey_orch_set_global_holdout);

typedef struct Setting
{
	int64		seq;
	int			buckets;		/* of 10,000 */
} Setting;

static JoCache cache = {
	.name = "global holdout",
	.tables = {"holdout_setting", "message_topic"}
};

/* By seq, and by name; both in the cache's context. */
static Setting *settings;
static int	nsettings;
static char **exempt_topics;
static int	nexempt_topics;

static void
load_settings(void)
{
	bool		isnull;

	if (SPI_execute("SELECT seq, (share * 10000)::integer"
					" FROM journey_orch.holdout_setting ORDER BY seq",
					false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the global holdout");
	nsettings = SPI_processed;
	settings = MemoryContextAlloc(jo_cache_context(&cache),
								  sizeof(Setting) * Max(nsettings, 1));
	for (int i = 0; i < nsettings; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	descriptor = SPI_tuptable->tupdesc;

		settings[i].seq = DatumGetInt64(SPI_getbinval(tuple, descriptor, 1,
													  &isnull));
		settings[i].buckets = DatumGetInt32(SPI_getbinval(tuple, descriptor, 2,
														  &isnull));
	}
}

static void
load_exempt_topics(void)
{
	MemoryContext context = jo_cache_context(&cache);

	if (SPI_execute("SELECT topic FROM journey_orch.message_topic"
					" WHERE class IN ('transactional', 'legal')"
					" ORDER BY topic COLLATE \"C\"", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the topics");
	nexempt_topics = SPI_processed;
	exempt_topics = MemoryContextAlloc(context, sizeof(char *) *
									   Max(nexempt_topics, 1));
	for (int i = 0; i < nexempt_topics; i++)
		exempt_topics[i] =
			MemoryContextStrdup(context,
								SPI_getvalue(SPI_tuptable->vals[i],
											 SPI_tuptable->tupdesc, 1));
}

void
jo_holdout_begin(void)
{
	bool		pushes;
	JoRunAs		saved;

	if (!jo_cache_begin(&cache))
		return;
	pushes = !ActiveSnapshotSet();
	if (pushes)
		PushActiveSnapshot(GetTransactionSnapshot());
	jo_run_as_extension(&saved);
	SPI_connect();
	load_settings();
	load_exempt_topics();
	SPI_finish();
	jo_run_as_end(&saved);
	if (pushes)
		PopActiveSnapshot();
	jo_cache_filled(&cache);
}

void
jo_holdout_end(void)
{
	jo_cache_end(&cache);
}

bool
jo_global_holdout_is_set(void)
{
	return nsettings > 0 && settings[nsettings - 1].buckets > 0;
}

bool
jo_in_global_holdout(const char *customer_id, int64 seq)
{
	for (int i = nsettings - 1; i >= 0; i--)
	{
		if (settings[i].seq < seq)
			return settings[i].buckets > 0 &&
				jo_bucket(EXPERIMENT, "", customer_id) < settings[i].buckets;
	}
	return false;
}

static int
compare_topics(const void *key, const void *element)
{
	return strcmp(key, *(char *const *) element);
}

bool
jo_topic_is_exempt(const char *topic)
{
	return topic != NULL &&
		bsearch(topic, exempt_topics, nexempt_topics, sizeof(char *),
				compare_topics) != NULL;
}

/* The share that was asked for, in buckets.  Raises 22023. */
static int
share_argument(FunctionCallInfo fcinfo)
{
	Numeric		share;
	double		buckets = -1;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s() must not be null",
						"share", "set_global_holdout")));
	share = PG_GETARG_NUMERIC(0);
	if (!numeric_is_nan(share) && !numeric_is_inf(share))
		buckets = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
													 NumericGetDatum(share))) *
			BUCKETS;
	if (!(buckets >= 0 && buckets <= BUCKETS))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("share must be between 0 and 1, not %.60s",
						numeric_normalize(share)),
				 errhint("0.05 reserves five customers in a hundred.")));
	if (fabs(buckets - rint(buckets)) > 1e-6)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("share must be a multiple of 0.0001, not %.60s",
						numeric_normalize(share)),
				 errhint("Customers are divided into 10,000 parts.")));
	return (int) rint(buckets);
}

/* The newest setting, in buckets; -1: there never was one. */
static int
current_buckets(void)
{
	bool		isnull;

	if (SPI_execute("SELECT (share * 10000)::integer"
					" FROM journey_orch.holdout_setting"
					" ORDER BY seq DESC LIMIT 1", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the global holdout");
	return SPI_processed == 0 ? -1 :
		DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0],
									SPI_tuptable->tupdesc, 1, &isnull));
}

static void
insert_setting(int buckets)
{
	Oid			types[4] = {INT8OID, INT4OID, TIMESTAMPTZOID, NAMEOID};
	Datum		values[4];
	NameData	actor;

	namestrcpy(&actor, GetUserNameFromId(GetSessionUserId(), false));
	values[0] = Int64GetDatum(jo_event_ticket(1));
	values[1] = Int32GetDatum(buckets);
	values[2] = TimestampTzGetDatum(jo_clock_now());
	values[3] = NameGetDatum(&actor);
	if (SPI_execute_with_args("INSERT INTO journey_orch.holdout_setting"
							  " VALUES ($1, trim_scale($2 / 10000.0), $3, $4)",
							  4, types, values, NULL, false,
							  0) != SPI_OK_INSERT)
		elog(ERROR, "could not write the global holdout");
}

/*
 * set_global_holdout(share) returns 'created', 'replaced' or 'unchanged'.
 * Settings of two sessions are committed in the order of their tickets, since
 * each holds the lock of the name until its end.
 */
Datum
journey_orch_set_global_holdout(PG_FUNCTION_ARGS)
{
	int			buckets = share_argument(fcinfo);
	int			before;
	JoRunAs		saved;

	PreventCommandIfReadOnly("journey_orch.set_global_holdout()");
	jo_leaf_ensure();
	jo_lock(JO_LOCK_NAME, jo_lock_key("global holdout"));
	jo_run_as_extension(&saved);
	SPI_connect();
	before = current_buckets();
	if (before != buckets)
		insert_setting(buckets);
	SPI_finish();
	jo_run_as_end(&saved);
	if (before == buckets)
		PG_RETURN_TEXT_P(cstring_to_text("unchanged"));
	jo_definition_changed("holdout_setting");
	if (before >= 0)
		ereport(NOTICE,
				(errmsg("the global holdout was replaced"),
				 errdetail("Its share was %g and is %g. Runs that are active keep what they were at their entry.",
						   before / (double) BUCKETS,
						   buckets / (double) BUCKETS)));
	PG_RETURN_TEXT_P(cstring_to_text(before < 0 ? "created" : "replaced"));
}

void
jo_experiment_init(void)
{
	jo_cache_register(&cache);
}
