/*
 * core/expression_call.c
 *	  An expression that may write: evaluated exactly once, as its owner.
 *
 * Rows are taken in order, some to a subtransaction, which is kept when all of
 * them succeed.  When one raises everything the subtransaction did is undone,
 * the rows before it are done again without it, and then it alone: its error
 * is its own.  So n rows cost few subtransactions (more than 64 with writes
 * make every snapshot of the server slow), and a row that fails leaves no
 * trace.
 *
 * Constraints and constraint triggers are checked before the owner's id is
 * given up: a deferred trigger would otherwise run as whoever commits.  For
 * the same reason what the caller has deferred is fired as the caller first,
 * outside of all subtransactions: if it raises, no row is to blame.  There is
 * no way to put back which constraints he had deferred; for the rest of his
 * transaction none is.
 * The operation is security-restricted, as every evaluation is.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "core/expression_private.h"

/* Rows of one subtransaction. */
#define CALL_CHUNK 100

typedef struct Call
{
	JoExpression *expression;
	const JoVariables *const *rows;
	const JoCallOptions *options;
	MemoryContext result_context;
	MemoryContext row_context;
	Datum	   *values;
	bool	   *isnull;
} Call;

/* Fire what is deferred now, as whoever we are. */
static void
fire_deferred(void)
{
	ConstraintsSetStmt *statement = makeNode(ConstraintsSetStmt);

	statement->constraints = NIL;
	statement->deferred = false;
	AfterTriggerSetState(statement);
}

/* What an earlier row has set does not hold for this one. */
static void
pin_lock_timeout(const Call *call)
{
	int			timeout = call->options->lock_timeout(call->options->arg);

	if (LockTimeout != timeout)
		(void) set_config_option("lock_timeout", psprintf("%d", timeout),
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
}

/* Evaluate one row; what it and earlier ones wrote is visible to it. */
static void
call_row(Call *call, int row)
{
	volatile int next = row;

	pin_lock_timeout(call);
	if (call->options->before != NULL)
		call->options->before(row, call->options->arg);
	CommandCounterIncrement();
	UpdateActiveSnapshotCommandId();
	jo_expression_execute(call->expression, call->rows, &next, row + 1,
						  call->result_context, call->row_context,
						  call->values, call->isnull);
	if (call->expression->resolver.is_void)
		call->isnull[row] = true;
}

/* The body of the subtransaction: rows *next .. end-1. */
static void
call_rows(Call *call, volatile int *next, int end)
{
	JoRunAs		saved;

	PushCopiedSnapshot(GetActiveSnapshot());
	jo_run_as_owner(&saved, call->expression->owner);
	jo_expression_pin_settings();
	for (; *next < end; (*next)++)
	{
		CHECK_FOR_INTERRUPTS();
		call_row(call, *next);
		fire_deferred();
	}
	jo_run_as_end(&saved);
	PopActiveSnapshot();
}

/* Rows start .. end-1 in a subtransaction; the error, or NULL when it is kept.
 * *next is the row that raised. */
static ErrorData *
call_chunk(Call *call, int start, int end, volatile int *next)
{
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile edata = NULL;

	*next = start;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(call->result_context);
	PG_TRY();
	{
		call_rows(call, next, end);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(call->result_context);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(call->result_context);
	CurrentResourceOwner = owner;
	if (edata != NULL && jo_error_is_interrupt(edata))
		ReThrowError(edata);
	return edata;
}

void
jo_expression_call(JoExpression *expression, int n,
				   const JoVariables *const *rows,
				   const JoCallOptions *options,
				   Datum *values, bool *isnull, JoError **errors)
{
	Call		call = {expression, rows, options, CurrentMemoryContext};
	int			start = 0;
	int			end = Min(n, CALL_CHUNK);

	call.values = values;
	call.isnull = isnull;
	memset(errors, 0, n * sizeof(JoError *));
	if (jo_expression_refuse(expression, n, isnull, errors))
		return;
	fire_deferred();
	call.row_context = AllocSetContextCreate(CurrentMemoryContext,
											 "journey_orch call row",
											 ALLOCSET_SMALL_SIZES);
	while (start < n)
	{
		volatile int next = start;
		ErrorData  *edata = call_chunk(&call, start, end, &next);

		if (edata == NULL)
			start = end;
		else if (next == start)
		{
			jo_expression_place_group_error(expression, edata);
			errors[start] = jo_error_copy(edata, expression->sql);
			isnull[start] = true;
			start++;
		}
		else
		{
			/* those before it again, without it */
			end = next;
			MemoryContextReset(call.row_context);
			continue;
		}
		end = Min(n, start + CALL_CHUNK);
		MemoryContextReset(call.row_context);
	}
	MemoryContextDelete(call.row_context);
}
