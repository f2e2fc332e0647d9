/*
 * outbox/wait.c
 *	  CALL wait_for_messages(): sleeps until one of the channels has work.
 *
 * It looks, and when there is nothing it sleeps in a transaction that has no
 * snapshot, so that a waiting relay holds back no vacuum; therefore it is a
 * procedure and cannot be called inside a transaction block.
 *
 * "Work" is what claim() would hand out now, gates left aside: the first message
 * at or after the channel's position in a lane, if no event of its customer is
 * pending, or a claim whose lease ran out.  The bell (bell.c) wakes it at the commit that
 * enqueues; a pending event and a lease that will run out are looked at
 * again in time.  Without the bell it polls, faster at first.
 *
 * Being a procedure that commits, it cannot carry SET search_path; its own SQL
 * runs in the channel cache, which pins the path.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "core/clock.h"
#include "outbox/internal.h"

PG_FUNCTION_INFO_V1(journey_orch_wait_for_messages);

/* Milliseconds between looks: at a lane with a pending event; without the bell. */
#define STALE_POLL_MS 5
#define BLIND_POLL_MIN_MS 1
#define BLIND_POLL_MAX_MS 50

/* When to look again at the latest. */
typedef struct Outlook
{
	bool		is_stale;		/* a message waits for a pending event */
	TimestampTz again_at;		/* the first lease to run out, or token to
								 * come; JO_NO_TIME: none */
} Outlook;

/* May claim() hand out the attempt, as far as pending events are concerned? */
static bool
is_fresh(int lane, TupleTableSlot *slot, Snapshot snapshot)
{
	JoPendingCustomers pending;
	bool		is_pending;

	if (jo_claim_freshness < 0)
		return true;
	jo_pending_customers_read(&pending, lane, snapshot);
	is_pending =
		jo_pending_customers_include(&pending,
									 jo_slot_text(slot, OUTBOX_CUSTOMER_ID));
	jo_pending_customers_free(&pending);
	return !is_pending;
}

/* Does the lane have a message at or after the channel's position that can be
 * handed out? */
static bool
has_new(const char *channel, JoQueue queue, int lane, int64 position,
		Snapshot snapshot, Outlook *outlook)
{
	JoOutboxScan *scan = jo_outbox_scan_begin(channel, lane, position,
											  jo_queue_start(queue + 1),
											  snapshot);
	TupleTableSlot *slot = jo_outbox_scan_next(scan);
	bool		found = slot != NULL && is_fresh(lane, slot, snapshot);

	if (slot != NULL && !found)
		outlook->is_stale = true;
	jo_outbox_scan_end(scan);
	return found;
}

static void
look_again_at(Outlook *outlook, TimestampTz at)
{
	if (outlook->again_at == JO_NO_TIME || at < outlook->again_at)
		outlook->again_at = at;
}

/* Does an earlier claim hold messages although its lease ran out? */
static bool
has_run_out(int64 claim_id, TimestampTz now, Snapshot snapshot,
			Outlook *outlook)
{
	JoClaim    *claim = jo_claim_find(claim_id, snapshot);

	if (claim == NULL)
		return false;
	jo_claim_read_outcomes(claim, snapshot);
	if (claim->remaining == 0)
		return false;
	if (claim->lease_until <= now)
		return true;
	look_again_at(outlook, claim->lease_until);
	return false;
}

static bool
has_work(const char *channel, Snapshot snapshot, Outlook *outlook)
{
	JoClaim    *newest = jo_claim_newest(channel, snapshot);
	TimestampTz now = GetCurrentTimestamp();
	double		rate = jo_channel_rate_of(channel);
	TimestampTz token_at = now;

	if (rate > 0)
		token_at = jo_rate_next(rate, newest, now);
	if (token_at > now)
	{
		look_again_at(outlook, token_at);
		return false;
	}
	if (newest != NULL)
	{
		if (has_run_out(newest->claim_id, now, snapshot, outlook))
			return true;
		for (int i = 0; i < newest->nopen; i++)
			if (has_run_out(newest->open_claims[i], now, snapshot, outlook))
				return true;
	}
	for (int queue = 0; queue < JO_QUEUES; queue++)
		for (int lane = 0; lane < JO_LANES; lane++)
		{
			if (jo_queue_is_in_use(queue) &&
				has_new(channel, queue, lane,
						newest == NULL ? jo_queue_start(queue) :
						newest->positions[queue][lane], snapshot, outlook))
				return true;
		}
	return false;
}

/* Fill ready[] with those of the channels that have work; returns how many. */
static int
look(char **channels, int n, Datum *ready, Outlook *outlook)
{
	Snapshot	snapshot = jo_relay_snapshot();
	int			count = 0;

	jo_queues_begin(snapshot);
	outlook->is_stale = false;
	outlook->again_at = JO_NO_TIME;
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (has_work(channels[i], snapshot, outlook))
			ready[count++] = CStringGetTextDatum(channels[i]);
	}
	jo_queues_end();
	UnregisterSnapshot(snapshot);
	return count;
}

/* How long to sleep before the next look, in milliseconds. */
static long
nap_length(const Outlook *outlook, TimestampTz deadline, int looks)
{
	TimestampTz now = GetCurrentTimestamp();
	long		nap = TimestampDifferenceMilliseconds(now, deadline);

	nap = Min(nap, jo_max_poll);
	if (outlook->is_stale)
		nap = Min(nap, STALE_POLL_MS);
	if (outlook->again_at != JO_NO_TIME)
		nap = Min(nap, TimestampDifferenceMilliseconds(now,
													   outlook->again_at));
	if (!jo_bell_exists())
		nap = Min(nap, Min(BLIND_POLL_MIN_MS << Min(looks, 10),
						   BLIND_POLL_MAX_MS));
	return Max(nap, 1);
}

static void
nap(long milliseconds)
{
	InvalidateCatalogSnapshot();
	if (jo_bell_exists())
	{
		jo_bell_sleep(milliseconds);
		return;
	}
	(void) WaitLatch(MyLatch,
					 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 milliseconds, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* ---- the procedure ---- */

static void
ensure_arguments(FunctionCallInfo fcinfo)
{
	Interval	zero = {0};

	if (PG_ARGISNULL(0))
		jo_relay_null("wait_for_messages", "channels");
	if (PG_ARGISNULL(1))
		jo_relay_null("wait_for_messages", "timeout");
	if (DatumGetBool(DirectFunctionCall2(interval_lt, PG_GETARG_DATUM(1),
										 IntervalPGetDatum(&zero))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("journey_orch.wait_for_messages() cannot run inside a transaction block"),
				 errdetail("It sleeps without a snapshot."),
				 errhint("CALL it as a statement of its own.")));
}

/* The names, checked against the caller's grants; copied. */
static char **
read_channels(ArrayType *array, int *n)
{
	Datum	   *elements;
	bool	   *isnull;
	char	  **channels;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &isnull, n);
	if (*n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("channels must name at least one channel")));
	channels = palloc(*n * sizeof(char *));
	for (int i = 0; i < *n; i++)
	{
		if (isnull[i])
			jo_relay_null_element("channels", i + 1);
		channels[i] = TextDatumGetCString(elements[i]);
		jo_channel_ensure_claimable(channels[i]);
	}
	return channels;
}

/*
 * Look and sleep until there is work or the deadline has passed; returns how
 * many of the channels are in ready[].  Each look is a transaction, so that no
 * lock is held while it sleeps.
 */
static int
wait_for_work(char **channels, int n, TimestampTz deadline, Datum *ready)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "journey_orch look",
												  ALLOCSET_DEFAULT_SIZES);
	int			looks = 0;
	int			count;

	if (jo_bell_exists())
		jo_bell_prepare();
	for (;;)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);
		Outlook		outlook;

		MemoryContextReset(context);
		count = look(channels, n, ready, &outlook);
		MemoryContextSwitchTo(caller);
		if (count > 0 || GetCurrentTimestamp() >= deadline)
			break;
		SPI_commit();
		nap(nap_length(&outlook, deadline, looks++));
	}
	if (jo_bell_exists())
		jo_bell_leave();
	return count;
}

/* CALL wait_for_messages(channels, timeout, INOUT ready) */
Datum
journey_orch_wait_for_messages(PG_FUNCTION_ARGS)
{
	TupleDesc	descriptor;
	TimestampTz deadline;
	char	  **channels;
	int			n;
	int			count;
	Datum	   *ready;
	Datum		result;
	bool		isnull = false;

	ensure_arguments(fcinfo);
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "wait_for_messages() has no result row");
	descriptor = BlessTupleDesc(descriptor);
	deadline =
		DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												TimestampTzGetDatum(GetCurrentTimestamp()),
												PG_GETARG_DATUM(1)));

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	channels = read_channels(PG_GETARG_ARRAYTYPE_P(0), &n);
	ready = palloc(n * sizeof(Datum));
	/* get rid of the snapshot that the CALL brought */
	SPI_commit();
	count = wait_for_work(channels, n, deadline, ready);
	result = PointerGetDatum(construct_array(ready, count, TEXTOID, -1, false,
											 TYPALIGN_INT));
	result = PointerGetDatum(SPI_returntuple(heap_form_tuple(descriptor,
															 &result,
															 &isnull),
											 descriptor));
	SPI_finish();
	return result;
}
