/*
 * enrollment/sink_logs.c
 *	  What every sink that writes appends: step log, attempts, withdrawals,
 *	  events that runs caused, outcomes of commands.
 */
#include "postgres.h"

#include "core/append.h"
#include "core/leaf.h"
#include "enrollment/careful.h"
#include "enrollment/rows.h"

static void
write_log(JoBatch *batch)
{
	int			segment = jo_leaf_current(JO_STEP_LOG, batch->lane);
	Oid			relid = jo_leaf_oid(JO_STEP_LOG, batch->lane, segment);
	JoAppend   *append = NULL;
	ListCell   *cell;

	foreach(cell, batch->log)
	{
		Datum		values[ROW_COLUMNS];
		bool		isnull[ROW_COLUMNS];

		if (batch->care != NULL)
			jo_care_blame_log(batch, lfirst(cell));
		if (append == NULL)
			append = jo_append_begin(relid);
		jo_log_to_row(batch, segment, lfirst(cell), values, isnull);
		jo_append_row(append, values, isnull);
		if (batch->care != NULL)
		{
			jo_append_end(append);
			append = NULL;
		}
	}
	if (append != NULL)
		jo_append_end(append);
}

static void
write_attempts(JoBatch *batch)
{
	int			n = list_length(batch->attempts);
	JoAttempt  *attempts;

	if (n == 0)
		return;
	attempts = palloc(n * sizeof(JoAttempt));
	for (int i = 0; i < n; i++)
		attempts[i] = *(JoAttempt *) list_nth(batch->attempts, i);
	if (batch->care == NULL)
	{
		jo_outbox_append(batch->lane, attempts, n);
		return;
	}
	for (int i = 0; i < n; i++)
	{
		jo_care_blame_id(batch, &attempts[i].enrollment_id);
		jo_outbox_append(batch->lane, &attempts[i], 1);
	}
}

static void
write_withdrawals(JoBatch *batch)
{
	int			n = list_length(batch->withdrawals);
	JoWithdrawal *withdrawals;

	if (n == 0)
		return;
	withdrawals = palloc(n * sizeof(JoWithdrawal));
	for (int i = 0; i < n; i++)
		withdrawals[i] = *(JoWithdrawal *) list_nth(batch->withdrawals, i);
	jo_withdrawal_append(batch->lane, withdrawals, n);
}

static void
write_decisions(JoBatch *batch)
{
	int			n = list_length(batch->decisions);
	JoGateRecord *records;

	if (n == 0)
		return;
	records = palloc(n * sizeof(JoGateRecord));
	for (int i = 0; i < n; i++)
		records[i] = *(JoGateRecord *) list_nth(batch->decisions, i);
	jo_gate_record_append(records, n);
}

/* What the runs of the batch have caused, and it has applied. */
static void
write_caused(JoBatch *batch)
{
	int			n = list_length(batch->caused);
	JoEvent    *events;

	if (n == 0)
		return;
	events = palloc(n * sizeof(JoEvent));
	for (int i = 0; i < n; i++)
		events[i] = *(JoEvent *) list_nth(batch->caused, i);
	jo_event_append(events, n);
}

static void
write_outcomes(JoBatch *batch)
{
	JoAppend   *append;
	ListCell   *cell;

	if (batch->outcomes == NIL)
		return;
	append = jo_append_begin(jo_relation_oid("command_outcome"));
	foreach(cell, batch->outcomes)
	{
		Datum		values[ROW_COLUMNS];
		bool		isnull[ROW_COLUMNS];

		jo_outcome_to_row(lfirst(cell), values, isnull);
		jo_append_row(append, values, isnull);
	}
	jo_append_end(append);
}

static void
write_askings(JoBatch *batch)
{
	JoAppend   *append;
	ListCell   *cell;

	if (batch->askings == NIL)
		return;
	append = jo_append_begin(jo_relation_oid("approval_request"));
	foreach(cell, batch->askings)
	{
		Datum		values[ROW_COLUMNS];
		bool		isnull[ROW_COLUMNS];

		jo_asking_to_row(lfirst(cell), values, isnull);
		jo_append_row(append, values, isnull);
	}
	jo_append_end(append);
}

/* Append the batch's step log, attempts, withdrawals and events. */
void
jo_sink_append_logs(JoBatch *batch)
{
	write_log(batch);
	write_attempts(batch);
	write_withdrawals(batch);
	write_decisions(batch);
	write_caused(batch);
	write_outcomes(batch);
	write_askings(batch);
}
