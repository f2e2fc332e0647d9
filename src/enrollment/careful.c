/*
 * enrollment/careful.c
 *	  A batch that has failed, done again one customer at a time.
 *
 * An error of an author's expression parks its run (wave.c).  Every other
 * error ends the batch, and if the batch would end the same way for ever, all
 * customers of the lane would wait for one of them.  So the next attempt is
 * careful: it takes little, and each customer is read, computed and written in
 * a subtransaction of his own.  When that fails, the subtransaction and all
 * that was computed are dropped, and he is computed again, knowing what fails
 * at which of his inputs: a run is parked there, an entry is refused, an event
 * that no run is to blame for is set aside (event_failure).  A batch computes
 * the same from the same inputs, so what came before has the same effect.
 *
 * What cannot be written is blamed on the run whose row it is, and that run is
 * parked as it is stored.  When even that fails the customer is rescued: his
 * events are set aside and only what is due is parked, so that nothing comes
 * again at once.
 *
 * Nobody is blamed for what would happen to anybody.  Interrupts, lack of
 * resources, deadlocks, locks and corruption end the batch as before.  And
 * before an error of reading or writing is believed to be a customer's, the
 * rows of a made-up one are written and rolled back: if they cannot be, the
 * lane is at fault and waits for its repair.
 *
 * The writes of a careful batch are one transaction with its cursor, as
 * always; a crash leaves all of it or nothing.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timeout.h"

#include "enrollment/careful.h"
#include "enrollment/read.h"

/* Computations of one customer before he is rescued. */
#define ATTEMPTS_PER_MEMBER 25

/* One member's computation: a batch of its own over the lane's. */
typedef struct Attempt
{
	JoBatch		batch;
	JoMember   *member;
	const JoMember *origin;		/* the member of the lane's batch */
	const JoError *error;		/* why he is rescued */
} Attempt;

typedef void (*AttemptBody) (Attempt *attempt);

bool		jo_care_lane_is_at_fault = false;

bool
jo_careful_helps(const ErrorData *edata)
{
	if (jo_care_lane_is_at_fault || jo_error_is_interrupt(edata))
		return false;
	switch (ERRCODE_TO_CATEGORY(edata->sqlerrcode))
	{
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_SYSTEM_ERROR:
			return false;
	}
	return edata->sqlerrcode != ERRCODE_DATA_CORRUPTED &&
		edata->sqlerrcode != ERRCODE_INDEX_CORRUPTED;
}

void
jo_careful_report(int lane, const ErrorData *edata)
{
	ereport(LOG,
			(errmsg("lane %d goes on one customer at a time", lane),
			 errdetail("A batch failed with SQLSTATE %s in %s().",
					   unpack_sql_state(edata->sqlerrcode),
					   edata->funcname ? edata->funcname : "?")));
}

/* Read, compute and write a member, as a batch does. */
static void
compute_member(Attempt *attempt)
{
	JoBatch    *batch = &attempt->batch;

	jo_batch_read_members(batch);
	batch->care->phase = JO_CARE_COMPUTING;
	jo_batch_compute(batch);
	batch->messages = list_length(batch->attempts);
	batch->care->phase = JO_CARE_WRITING;
	batch->sink->write(batch);
}

static void
set_aside_events(Attempt *attempt)
{
	ListCell   *cell;

	foreach(cell, attempt->member->events)
		jo_care_set_aside(&attempt->batch, attempt->member, lfirst(cell),
						  attempt->error);
}

/*
 * Nothing else worked: set the member's events aside, and take what is due
 * away from the timers, which would bring it again at once.
 */
static void
rescue_member(Attempt *attempt)
{
	JoBatch    *batch = &attempt->batch;
	JoMember   *member = attempt->member;
	ListCell   *cell;

	jo_batch_read_live(batch);
	set_aside_events(attempt);
	foreach(cell, member->runs)
	{
		JoRun	   *run = lfirst(cell);

		if (run->due_at != JO_NO_TIME && run->due_at <= batch->timer_limit &&
			run->state != JO_ENROLLMENT_PARKED)
			jo_run_park(batch, run, attempt->error, NULL);
	}
	foreach(cell, member->messages)
	{
		JoMessage  *message = lfirst(cell);

		if (message->due_at == JO_NO_TIME ||
			message->due_at > batch->timer_limit)
			continue;
		message->due_at = JO_NO_TIME;
		message->state = "dead";
		message->error = attempt->error->message;
		message->is_changed = true;
	}
	foreach(cell, member->plans)
	{
		JoPlan	   *plan = lfirst(cell);

		if (plan->due_at != JO_NO_TIME && plan->due_at <= batch->timer_limit)
			jo_plan_give_up(member, plan, attempt->error->message);
	}
	batch->care->phase = JO_CARE_WRITING;
	batch->sink->write(batch);
}

/* Not even his rows can be read: leave them, and go past his events. */
static void
abandon_member(Attempt *attempt)
{
	set_aside_events(attempt);
	attempt->batch.care->phase = JO_CARE_WRITING;
	attempt->batch.sink->write(&attempt->batch);
}

/*
 * Write one row of every kind for a customer who does not exist, and raise an
 * error, so that nothing of it stays.
 */
static void
probe_lane(Attempt *attempt)
{
	JoBatch    *batch = &attempt->batch;
	JoMember   *member = attempt->member;
	JoRun	   *run = palloc0(sizeof(JoRun));
	JoAttempt  *sent = palloc0(sizeof(JoAttempt));
	JoMessage  *message = palloc0(sizeof(JoMessage));

	jo_batch_read_live(batch);
	member->now = batch->clock.now;
	run->member = member;
	run->entered_at = run->arrived_at = run->due_at = member->now;
	run->hint_at = JO_NO_TIME;
	run->state = JO_ENROLLMENT_WAITING;
	run->step_name = run->entry_name = "probe";
	run->context = run->entry_event = jo_jsonb_empty();
	run->is_changed = true;
	member->runs = list_make1(run);
	jo_memory_entered(batch, run);
	(void) jo_log(batch, run, "advanced");
	sent->customer_id = member->customer_id;
	sent->channel = sent->template = sent->step = "probe";
	sent->payload = run->context;
	sent->enqueued_at = member->now;
	sent->expires_at = JO_NO_TIME;
	batch->attempts = list_make1(sent);
	message->attempt = *sent;
	message->due_at = JO_NO_TIME;
	message->state = "enqueued";
	message->is_changed = true;
	member->messages = list_make1(message);
	batch->sink->write(batch);
}

static void
begin_attempt(Attempt *attempt, JoBatch *batch, const JoMember *origin)
{
	JoMember   *member;

	memset(attempt, 0, sizeof(Attempt));
	attempt->origin = origin;
	attempt->batch = *batch;
	attempt->batch.context = AllocSetContextCreate(batch->care->context,
												   "journey_orch attempt",
												   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(attempt->batch.context);
	member = palloc0(sizeof(JoMember));
	member->customer_id = origin->customer_id;
	member->events = origin->events;
	member->has_hint = origin->has_hint;
	member->now = JO_NO_TIME;
	member->due = JO_NO_TIME;
	attempt->member = member;
	attempt->batch.members = list_make1(member);
	attempt->batch.log = NIL;
	attempt->batch.attempts = NIL;
	attempt->batch.withdrawals = NIL;
	attempt->batch.decisions = NIL;
	attempt->batch.hints = NIL;
	attempt->batch.aside = NIL;
	attempt->batch.caused = NIL;
	attempt->batch.outcomes = NIL;
	attempt->batch.askings = NIL;
	attempt->batch.fan_outs = NIL;
	attempt->batch.tallies = NIL;
	attempt->batch.caps = NIL;
	batch->care->phase = JO_CARE_READING;
	batch->care->input = 0;
	batch->care->run = NULL;
	batch->care->graph = NULL;
}

/* Give the member the whole of the caller's timeout. */
static void
rearm_timeout(const JoCare *care)
{
	if (care->timeout_ms == 0)
		return;
	disable_timeout(STATEMENT_TIMEOUT, true);
	/* it may have fired after the last look at interrupts */
	if (get_timeout_indicator(STATEMENT_TIMEOUT, true))
		QueryCancelPending = false;
	enable_timeout_after(STATEMENT_TIMEOUT, care->timeout_ms);
}

/* Is this the caller's timeout, given to one member? */
static bool
is_own_timeout(const JoCare *care, const ErrorData *edata)
{
	return care->timeout_ms > 0 &&
		edata->sqlerrcode == ERRCODE_QUERY_CANCELED &&
		jo_error_is_interrupt(edata) && edata->message_id != NULL &&
		strcmp(edata->message_id,
			   "canceling statement due to statement timeout") == 0;
}

/* The error of a timeout, which names what took so long. */
static void
name_timeout(const JoCare *care, JoError *error)
{
	if (care->run != NULL)
		error->message = psprintf("step \"%s\" took longer than %d ms",
								  care->run->step_name, care->timeout_ms);
	else if (care->graph != NULL)
		error->message = psprintf("the entry of journey \"%s\" took longer than %d ms",
								  care->graph->name, care->timeout_ms);
	else
		error->message = psprintf("it took longer than %d ms",
								  care->timeout_ms);
	error->detail = pstrdup("The limit is journey_orch.batch_timeout.");
}

/*
 * Run "body" in a subtransaction; keep what it wrote, or with "keeps" false
 * roll it back.  Returns NULL, or the error in the member's context after
 * everything was rolled back.  Raises what no customer is to blame for.
 * "edata_out": the error as it was, to be raised again.
 */
static JoError *
try_body(AttemptBody body, Attempt *attempt, bool keeps, ErrorData **edata_out)
{
	JoCare	   *care = attempt->batch.care;
	ResourceOwner owner = CurrentResourceOwner;
	JoError    *volatile error = NULL;
	ErrorData  *volatile raised = NULL;
	volatile bool raises = false;

	rearm_timeout(care);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(attempt->batch.context);
	PG_TRY();
	{
		body(attempt);
		if (keeps)
			ReleaseCurrentSubTransaction();
		else
			RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		bool		is_timeout;

		MemoryContextSwitchTo(care->context);
		raised = CopyErrorData();
		is_timeout = is_own_timeout(care, raised);
		raises = !is_timeout && !jo_careful_helps(raised);
		error = jo_error_capture();
		if (is_timeout)
			name_timeout(care, error);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(care->context);
	CurrentResourceOwner = owner;
	if (raises)
		ReThrowError(raised);
	if (edata_out != NULL)
		*edata_out = raised;
	return error;
}

/* Let the lane's batch have what an attempt made of its counters. */
static void
keep_attempt(JoBatch *batch, Attempt *attempt)
{
	JoBatch    *done = &attempt->batch;
	ListCell   *cell;

	batch->cursor = done->cursor;
	batch->more = done->more;
	batch->entered = done->entered;
	batch->ended = done->ended;
	batch->advances = done->advances;
	batch->messages += done->messages;
	batch->late_releases = done->late_releases;
	batch->ncaused = done->ncaused;
	batch->has_called = done->has_called;
	batch->has_fan_outs |= done->has_fan_outs;
	batch->lock_timeouts = done->lock_timeouts;
	batch->next_ticket = done->next_ticket;
	batch->tickets_left = done->tickets_left;

	/* what jo_timer_next_due() looks at */
	MemoryContextSwitchTo(batch->context);
	foreach(cell, done->hints)
	{
		JoHint	   *hint = palloc0(sizeof(JoHint));

		hint->due_at = ((JoHint *) lfirst(cell))->due_at;
		batch->hints = lappend(batch->hints, hint);
	}
}

/* Raise "edata" unless a made-up customer can be read and written. */
static void
ensure_lane_works(JoBatch *batch, ErrorData *edata)
{
	JoMember	nobody = {.customer_id = ""};
	Attempt		attempt;

	begin_attempt(&attempt, batch, &nobody);
	if (try_body(probe_lane, &attempt, false, NULL) != NULL)
	{
		jo_care_lane_is_at_fault = true;
		ReThrowError(edata);
	}
	MemoryContextDelete(attempt.batch.context);
}

/* The member cannot be computed: do the least that lets the lane go on. */
static void
rescue(JoBatch *batch, const JoMember *member, const JoError *error)
{
	Attempt		attempt;
	ErrorData  *edata = NULL;

	begin_attempt(&attempt, batch, member);
	attempt.error = error;
	if (try_body(rescue_member, &attempt, true, NULL) != NULL)
	{
		begin_attempt(&attempt, batch, member);
		attempt.error = error;
		if (try_body(abandon_member, &attempt, true, &edata) != NULL)
			ReThrowError(edata);
	}
	keep_attempt(batch, &attempt);
}

static void
run_member(JoBatch *batch, const JoMember *member)
{
	JoCare	   *care = batch->care;
	JoError    *error = NULL;

	care->faults = NIL;
	for (int i = 0; i < ATTEMPTS_PER_MEMBER; i++)
	{
		Attempt		attempt;
		ErrorData  *edata = NULL;
		bool		is_blamed;

		CHECK_FOR_INTERRUPTS();
		begin_attempt(&attempt, batch, member);
		error = try_body(compute_member, &attempt, true, &edata);
		if (error == NULL)
		{
			keep_attempt(batch, &attempt);
			return;
		}
		is_blamed = jo_care_assign(care, attempt.member, error);
		if (care->phase != JO_CARE_COMPUTING)
			ensure_lane_works(batch, edata);
		MemoryContextDelete(attempt.batch.context);
		if (!is_blamed)
			break;
	}
	rescue(batch, member, error);
}

/* Read, compute and write the members of a batch, each by himself. */
void
jo_careful_run(JoBatch *batch)
{
	ListCell   *cell;

	foreach(cell, batch->members)
	{
		batch->care->context = AllocSetContextCreate(batch->context,
													 "journey_orch careful",
													 ALLOCSET_DEFAULT_SIZES);
		run_member(batch, lfirst(cell));
		MemoryContextSwitchTo(batch->context);
		MemoryContextDelete(batch->care->context);
	}
	rearm_timeout(batch->care);
}
