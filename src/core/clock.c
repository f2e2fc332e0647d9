/*
 * core/clock.c
 *	  The engine clock and the SQL functions that set it.
 *
 * The row is changed under an advisory lock of its own, so that "not before
 * where it stands" is judged on the newest value.  Every change between real
 * and virtual opens a new epoch, and so does setting a virtual clock back: a
 * lane that has run ahead on the old clock may then go back once.
 *
 * EXECUTE is granted to journey_orch_operator only; the write itself runs with
 * the extension owner's rights.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "core/cache.h"
#include "core/clock.h"
#include "core/compat.h"
#include "core/identity.h"
#include "core/internal.h"
#include "core/leaf.h"
#include "core/run_as.h"

JoClockChanged jo_clock_changed = NULL;

/* The row; "now" counts only while it is virtual. */
static JoClock cached_clock;

/* The year of JO_CLOCK_LATEST. */
#define CLOCK_LATEST_YEAR 293274

static JoCache clock_cache = {
	.name = "clock",
	.tables = {"clock"}
};

PG_FUNCTION_INFO_V1(journey_orch_clock);
PG_FUNCTION_INFO_V1(journey_orch_set_clock);
PG_FUNCTION_INFO_V1(journey_orch_advance_clock);
PG_FUNCTION_INFO_V1(journey_orch_reset_clock);

void
jo_clock_init(void)
{
	jo_cache_register(&clock_cache);
}

static void
read_clock(TupleTableSlot *slot, void *arg)
{
	JoClock    *clock = arg;
	bool		isnull;
	Datum		at = slot_getattr(slot, 2, &isnull);

	clock->is_virtual = !isnull;
	if (!isnull)
		clock->now = DatumGetTimestampTz(at);
	clock->epoch = DatumGetInt32(slot_getattr(slot, 3, &isnull));
}

JoClock
jo_clock(void)
{
	JoClock		clock;

	if (jo_cache_begin(&clock_cache))
	{
		memset(&cached_clock, 0, sizeof(cached_clock));
		jo_cache_read_table("clock", read_clock, &cached_clock);
		jo_cache_filled(&clock_cache);
	}
	jo_cache_end(&clock_cache);

	clock = cached_clock;
	if (!clock.is_virtual)
		clock.now = GetCurrentTimestamp();

	return clock;
}

JoClock
jo_clock_at(Snapshot snapshot)
{
	JoClock		clock = {GetCurrentTimestamp(), false, 0};

	jo_read_table("clock", snapshot, read_clock, &clock);
	return clock;
}

TimestampTz
jo_clock_now(void)
{
	return jo_clock().now;
}

/*
 * Take the clock's lock until the end of the transaction, and return the clock
 * as the former holder left it.
 */
static JoClock
lock_clock(void)
{
	jo_lock(JO_LOCK_NAME, jo_lock_key("journey_orch.clock"));
	AcceptInvalidationMessages();
	return jo_clock();
}

/* Write the row and tell everybody; "at" NULL: the real clock. */
static void
write_clock(const TimestampTz *at, int32 epoch)
{
	Oid			types[] = {TIMESTAMPTZOID, INT4OID, TIMESTAMPTZOID, TEXTOID};
	Datum		values[4];
	char		nulls[] = "    ";
	JoRunAs		saved;

	values[0] = at != NULL ? TimestampTzGetDatum(*at) : (Datum) 0;
	nulls[0] = at != NULL ? ' ' : 'n';
	values[1] = Int32GetDatum(epoch);
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[3] = CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(),
													  false));

	jo_run_as_extension(&saved);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("INSERT INTO journey_orch.clock AS c"
							  " (virtual_at, epoch, changed_at, changed_by)"
							  " VALUES ($1, $2, $3, $4)"
							  " ON CONFLICT (singleton) DO UPDATE SET"
							  " virtual_at = excluded.virtual_at,"
							  " epoch = excluded.epoch,"
							  " changed_at = excluded.changed_at,"
							  " changed_by = excluded.changed_by",
							  4, types, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write the clock");
	SPI_finish();
	jo_run_as_end(&saved);

	jo_cache_invalidate("clock");
	CommandCounterIncrement();

	if (jo_clock_changed != NULL)
		jo_clock_changed();
}

/*
 * Refuse to leave the real clock when a relay holds or sent messages under
 * it: their leases, back-off and caps would be measured with the wrong clock.
 * A claim was made under the real clock when both its clocks agree.
 */
static void
ensure_no_real_claims(void)
{
	Oid			types[] = {INT4OID};
	Datum		values[1];
	bool		found;
	JoRunAs		saved;

	values[0] = Int32GetDatum(jo_incarnation());

	jo_run_as_extension(&saved);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("SELECT FROM journey_orch.claim"
							  " WHERE incarnation = $1"
							  " AND claimed_at BETWEEN recorded_at - interval '1 minute'"
							  " AND recorded_at + interval '1 minute'",
							  1, types, values, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the claims");
	found = SPI_processed > 0;
	SPI_finish();
	jo_run_as_end(&saved);

	if (found)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot set a virtual clock: messages were claimed under the real clock"),
				 errdetail("Leases, retries and caps of those messages are measured with the real clock."),
				 errhint("Pass force => true if no real customer can be affected.")));
}

/* Move the clock, which is locked and stands at "clock", to "at". */
static void
move_clock(JoClock clock, TimestampTz at, bool force)
{
	int32		epoch = clock.epoch;

	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("clock instant must be finite"),
				 errhint("Name an instant, such as '2026-01-31 09:00+00'.")));

	if (at > JO_CLOCK_LATEST)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("clock instant is too late"),
				 errdetail("Due times of later runs would be out of range.")));

	if (clock.is_virtual && at == clock.now)
		return;

	if (!clock.is_virtual)
	{
		if (!force)
			ensure_no_real_claims();
		epoch++;
	}
	else if (at < clock.now)
	{
		if (!force)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("cannot set the clock back"),
					 errdetail("The clock stands at %s.",
							   timestamptz_to_str(clock.now)),
					 errhint("Pass force => true to set it back; what has happened stays.")));
		epoch++;
	}

	write_clock(&at, epoch);
}

/* Raise 22004 when argument "number" is NULL. */
static void
ensure_argument(FunctionCallInfo fcinfo, int number, const char *name,
				const char *hint)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name),
				 errhint("%s", hint)));
}

/* clock() → the engine clock */
Datum
journey_orch_clock(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(jo_clock_now());
}

/* set_clock(at, force) → the engine clock, now virtual */
Datum
journey_orch_set_clock(PG_FUNCTION_ARGS)
{
	ensure_argument(fcinfo, 0, "at",
					"Use journey_orch.reset_clock() to return to the real clock.");
	ensure_argument(fcinfo, 1, "force", "Pass true or false.");

	jo_leaf_ensure();
	move_clock(lock_clock(), PG_GETARG_TIMESTAMPTZ(0), PG_GETARG_BOOL(1));

	PG_RETURN_TIMESTAMPTZ(jo_clock_now());
}

/*
 * The instant an interval after "from", if a clock may stand there; else
 * 22023.  The first look is a month or so off, and keeps the sum in range.
 */
static TimestampTz
add_to_clock(TimestampTz from, const Interval *by)
{
	double		estimate = (double) from + (double) by->time +
	((double) by->month * DAYS_PER_YEAR / MONTHS_PER_YEAR + by->day) *
	USECS_PER_DAY;
	TimestampTz at = DT_NOEND;

	if (estimate > (double) MIN_TIMESTAMP + (double) 366 * USECS_PER_DAY &&
		estimate < (double) END_TIMESTAMP - (double) 366 * USECS_PER_DAY)
		at = DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval,
												   TimestampGetDatum(from),
												   IntervalPGetDatum(by)));
	if (at > JO_CLOCK_LATEST)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot advance the clock by %s",
						DatumGetCString(DirectFunctionCall1(interval_out,
															IntervalPGetDatum(by)))),
				 errdetail("The clock stands at %s.",
						   timestamptz_to_str(from)),
				 errhint("Pass an interval, such as '1 day', that ends between the years 4713 BC and %d.",
						 CLOCK_LATEST_YEAR)));
	return at;
}

/*
 * advance_clock(by, force) → the engine clock, now virtual
 *
 * The interval is added in UTC, whose bits a timestamp without zone shares:
 * the session's zone must not decide how long a day is.
 */
Datum
journey_orch_advance_clock(PG_FUNCTION_ARGS)
{
	JoClock		clock;
	TimestampTz at;

	ensure_argument(fcinfo, 0, "by", "Pass an interval, such as '1 day'.");
	ensure_argument(fcinfo, 1, "force", "Pass true or false.");

	jo_leaf_ensure();
	clock = lock_clock();
	at = add_to_clock(clock.now, PG_GETARG_INTERVAL_P(0));
	move_clock(clock, at, PG_GETARG_BOOL(1));

	PG_RETURN_TIMESTAMPTZ(jo_clock_now());
}

/* reset_clock() → the engine clock, now real; nothing to do when it is. */
Datum
journey_orch_reset_clock(PG_FUNCTION_ARGS)
{
	JoClock		clock;

	jo_leaf_ensure();
	clock = lock_clock();
	if (clock.is_virtual)
		write_clock(NULL, clock.epoch + 1);

	PG_RETURN_TIMESTAMPTZ(jo_clock_now());
}
