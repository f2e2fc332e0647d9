/*
 * outbox/relay.c
 *	  What the calls of a relay share: when they are allowed, which snapshot
 *	  they read, and how their transaction commits.
 *
 * Losing a claim or an ack in a crash only offers messages again, so a
 * transaction that wrote nothing but claims, acks, nacks and extensions commits
 * asynchronously.  Whether that is so is decided at commit, by comparing the
 * position of the transaction's last WAL record with the one that our last
 * call left: anything else that was written, before, between or after, moves
 * it, and the commit is then as durable as the session asked for.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "core/errors.h"
#include "core/identity.h"
#include "core/leaf.h"
#include "outbox/internal.h"

/* Of the current transaction. */
static bool has_written;		/* a call of ours */
static bool wrote_nothing_else;
static XLogRecPtr own_end;		/* where our last call left the WAL */

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (!has_written)
		return;
	if (event != XACT_EVENT_PRE_COMMIT)
	{
		has_written = false;
		return;
	}
	if (wrote_nothing_else && own_end == XactLastRecEnd &&
		!jo_relay_synchronous_commit)
		(void) set_config_option("synchronous_commit", "off",
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

void
jo_relay_begin(const char *name)
{
	static bool is_registered = false;

	PreventCommandDuringRecovery(name);
	PreventCommandIfReadOnly(name);
	PreventCommandIfParallelMode(name);
	if (jo_leaf_exists() && !jo_incarnation_is_adopted())
		ereport(ERROR,
				(errcode(ERRCODE_JO_UNADOPTED_COPY),
				 errmsg("this database is a copy that nobody adopted"),
				 errdetail("Its messages belong to the database that it was copied from."),
				 errhint("Call journey_orch.adopt() first.")));
	if (!is_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		is_registered = true;
	}
	if (!has_written)
	{
		has_written = true;
		/* what reading leaves in WAL (pruned pages) needs no xid */
		wrote_nothing_else = !TransactionIdIsValid(GetTopTransactionIdIfAny());
	}
	else if (own_end != XactLastRecEnd)
		wrote_nothing_else = false;
}

void
jo_relay_end(void)
{
	own_end = XactLastRecEnd;
}

Snapshot
jo_relay_snapshot(void)
{
	return RegisterSnapshot(GetLatestSnapshot());
}

void
jo_relay_null(const char *function, const char *argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"%s\" of journey_orch.%s() must not be null",
					argument, function)));
}

void
jo_relay_null_element(const char *argument, int ordinal)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("element %d of \"%s\" must not be null", ordinal, argument),
			 errhint("Elements are counted from 1.")));
}

/* 32 hexadecimal digits, a hyphen after any four, in braces or not. */
bool
jo_relay_read_uuid(const char *string, pg_uuid_t *uuid)
{
	const char *at = string;
	int			digits = 0;

	if (*at == '{')
		at++;
	for (; digits < 2 * UUID_LEN; at++)
	{
		if (isxdigit((unsigned char) *at))
			digits++;
		else if (*at != '-' || digits == 0 || digits % 4 != 0 || at[-1] == '-')
			return false;
	}
	if (strcmp(at, string[0] == '{' ? "}" : "") != 0)
		return false;
	*uuid = *DatumGetUUIDP(DirectFunctionCall1(uuid_in,
											   CStringGetDatum(string)));
	return true;
}

void
jo_relay_check_lease(Interval *lease)
{
	Interval	zero = {0};
	Interval	longest = {.day = 1};
	Datum		given = IntervalPGetDatum(lease);

	if (DatumGetBool(DirectFunctionCall2(interval_le, given,
										 IntervalPGetDatum(&zero))) ||
		DatumGetBool(DirectFunctionCall2(interval_gt, given,
										 IntervalPGetDatum(&longest))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lease must be longer than zero and at most one day"),
				 errhint("A relay that needs longer calls journey_orch.extend().")));
}
