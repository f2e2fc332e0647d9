/*
 * outbox/feedback.c
 *	  What a report means for messages to come.
 *
 * An address that does not exist, and one whose owner has complained, is
 * suppressed on the channel; who unsubscribed has withdrawn his consent to the
 * message's topic on its channel.  It happens with the report, in its
 * transaction: no claim after its commit hands out another message.
 *
 * Where an operator wants it (journey_orch.complaint_halt) a complaint that
 * brings a sender over the limit halts the channel.
 *
 * All of a call is done after its reports are recorded, in the order of
 * customers, so that two calls do not wait for each other in a circle.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "core/clock.h"
#include "core/run_as.h"
#include "outbox/reporting.h"
#include "permission/permission.h"
#include "permission/suppress.h"

bool		jo_complaint_halt = false;

#define WITHDRAW \
	"SELECT journey_orch._withdraw($1, $2, $3, 'withdrawn', 'report'," \
	" pg_catalog.jsonb_build_object('message_id', $4))"

#define HALT \
	"SELECT journey_orch.halt('channel', s.channel, pg_catalog.format(" \
	"'%s complaints about %s messages%s', s.complained, s.sent," \
	" ' from ' || s.domain))" \
	" FROM journey_orch.complaint_share s WHERE s.channel = $1 AND s.is_over" \
	" LIMIT 1"

/* {"message_id"}: where it comes from. */
static Jsonb *
origin(const pg_uuid_t *message_id)
{
	char	   *id = DatumGetCString(DirectFunctionCall1(uuid_out,
														 UUIDPGetDatum(message_id)));

	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(psprintf("{\"message_id\": \"%s\"}", id))));
}

void
jo_feedback_suppress(const pg_uuid_t *message_id, const char *channel,
					 const char *address, const char *reason)
{
	JoSuppression suppression = {0};

	if (address == NULL)
		return;
	suppression.address = address;
	suppression.channel = channel;
	suppression.reason = reason;
	suppression.expires_at = JO_NO_TIME;
	suppression.source = "report";
	suppression.detail = origin(message_id);
	(void) jo_suppress(&suppression);
}

/* Run a statement of ours over text arguments, some of which may be NULL. */
static void
execute(const char *statement, int n, char *const *arguments)
{
	Oid			types[4] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[4];
	char		nulls[5] = "    ";
	JoRunAs		saved;

	for (int i = 0; i < n; i++)
	{
		nulls[i] = arguments[i] == NULL ? 'n' : ' ';
		values[i] = arguments[i] == NULL ? (Datum) 0 :
			CStringGetTextDatum(arguments[i]);
	}
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args(statement, n, types, values, nulls, false,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "could not do what a report asks for");
	SPI_finish();
	jo_run_as_end(&saved);
}

static void
withdraw_consent(const JoReport *report)
{
	char	   *arguments[4];

	arguments[0] = report->customer_id;
	arguments[1] = report->message_channel;
	arguments[2] = report->topic;
	arguments[3] =
		DatumGetCString(DirectFunctionCall1(uuid_out,
											UUIDPGetDatum(&report->message_id)));
	execute(WITHDRAW, 4, arguments);
}

/*
 * Halt the channels complained about whose senders are over the limit.  To know
 * that, the messages of 30 days are counted: once a call and channel, and not
 * for one that is halted already.
 */
static void
halt_channels(List *reports)
{
	List	   *channels = NIL;
	ListCell   *cell;

	foreach(cell, reports)
	{
		const JoReport *report = lfirst(cell);
		String	   *channel;

		if (strcmp(report->status, "complained") != 0)
			continue;
		channel = makeString(report->message_channel);
		channels = list_append_unique(channels, channel);
	}
	foreach(cell, channels)
	{
		char	   *channel = strVal(lfirst(cell));
		Snapshot	snapshot = jo_relay_snapshot();
		bool		is_halted = jo_halt_of_channel(channel, snapshot) != NULL;

		UnregisterSnapshot(snapshot);
		if (!is_halted)
			execute(HALT, 1, &channel);
	}
}

/* Is it a bounce of an address that does not exist? */
static bool
is_hard_bounce(const JoReport *report)
{
	char	   *type;

	if (strcmp(report->status, "bounced") != 0)
		return false;
	type = jo_report_string(report, "type");
	return type != NULL && pg_strcasecmp(type, "hard") == 0;
}

static void
apply(const JoReport *report)
{
	if (is_hard_bounce(report))
		jo_feedback_suppress(&report->message_id, report->message_channel,
							 report->address, "hard_bounce");
	else if (strcmp(report->status, "complained") == 0)
		jo_feedback_suppress(&report->message_id, report->message_channel,
							 report->address, "complaint");
	else if (strcmp(report->status, "unsubscribed") == 0)
		withdraw_consent(report);
}

static int
compare_reports(const ListCell *a, const ListCell *b)
{
	const JoReport *left = lfirst(a);
	const JoReport *right = lfirst(b);

	return strcmp(left->customer_id, right->customer_id);
}

void
jo_feedback_apply(JoReport *reports, int n)
{
	List	   *fresh = NIL;
	ListCell   *cell;

	for (int i = 0; i < n; i++)
		if (reports[i].is_new)
			fresh = lappend(fresh, &reports[i]);
	list_sort(fresh, compare_reports);
	foreach(cell, fresh)
		apply(lfirst(cell));
	if (jo_complaint_halt)
		halt_channels(fresh);
}
