/*
 * enrollment/step.h
 *	  What step code sees: one visit of one step by one run.
 *
 * Step code (step_*.c) is a set of pure functions.  It opens no relation,
 * reads no clock and draws no random number; test/lint refuses the headers
 * that could.  A step function is called on arrival; when it needs a value or
 * a message it returns JO_VERDICT_ASK or JO_VERDICT_COMPOSE and is called again
 * with the answer, as often as it likes ("stage" and "index" are its own
 * memory in between).  The batch collects the requests of all runs and answers
 * those for the same expression or template together: that is a wave.
 *
 * An error in an answer never reaches step code: the batch takes the step's
 * "on_failure", or parks the run.
 */
#ifndef JO_STEP_H
#define JO_STEP_H

#include "core/clock.h"
#include "journey/journey.h"
#include "outbox/outbox.h"
#include "permission/permission.h"

/* The states of an enrollment; jo_enrollment_state_name() has the words. */
typedef enum JoEnrollmentState
{
	JO_ENROLLMENT_MOVING,		/* only inside a batch */
	JO_ENROLLMENT_WAITING,
	JO_ENROLLMENT_DELAYED,
	JO_ENROLLMENT_SENDING,
	JO_ENROLLMENT_HELD,			/* before its step, by a pause */
	JO_ENROLLMENT_PARKED,
	JO_ENROLLMENT_ENDED			/* the row is gone, or kept for the goal */
} JoEnrollmentState;

/* What a step function wants. */
typedef enum JoVerdict
{
	JO_VERDICT_ASK,				/* the value of visit->ask */
	JO_VERDICT_CALL,			/* the same, and it may write */
	JO_VERDICT_COMPOSE,			/* the message for channel visit->channel */
	JO_VERDICT_GO,				/* to visit->next */
	JO_VERDICT_BLOCK,			/* stay, in visit->state, until visit->due_at */
	JO_VERDICT_END,				/* the run is over */
	JO_VERDICT_FAIL				/* visit->error: as if an answer had raised */
} JoVerdict;

/* Why a message could be composed or not. */
typedef enum JoComposed
{
	JO_COMPOSED,
	JO_COMPOSED_DEFERRED,		/* and not before visit->decision->until */
	JO_COMPOSED_WITHHELD,		/* by visit->decision, at once or at the claim */
	JO_COMPOSED_FAILED,			/* it had been, and has failed for good */
	JO_COMPOSED_NO_ADDRESS,		/* the channel's address is NULL or empty */
	JO_COMPOSED_TOO_LARGE		/* more than the channel's size_limit */
} JoComposed;

/* What a gate has withheld in a visit. */
typedef struct JoWithheld
{
	JoAttempt	attempt;
	const JoGateDecision *decision;
} JoWithheld;

/* A value to put into the context. */
typedef struct JoOutput
{
	const char *name;
	Jsonb	   *value;			/* or NULL */
} JoOutput;

/* What a due time was computed from, for the step log. */
typedef struct JoDueNote
{
	const char *timezone;		/* NULL: no zone was asked for */
	const char *timezone_of;	/* customer, journey or default */
	const char *unknown_timezone;	/* what the customer's row said instead */
	bool		has_date;
	Oid			date_type;
	Datum		date;
	int64		jitter;			/* microseconds in due_at */
} JoDueNote;

typedef struct JoVisit
{
	/* given */
	const JoGraph *graph;
	const JoStep *step;
	const char *customer_id;
	const char *timezone;		/* the run's: customer's, else the journey's */
	bool		is_own_timezone;	/* the customer's */
	const char *unknown_timezone;	/* the customer's, when it is no zone */
	TimestampTz now;			/* engine clock of the advance */
	TimestampTz arrival;		/* what local times and dates count from:
								 * "now", or due time of the timer that moved
								 * the run here when that was not late */
	Jsonb	   *context;		/* of the run */
	const char *holdout;		/* why nothing may reach out; NULL: it may */
	bool		is_restart;		/* the step's time begins anew: no arrival */
	int			happened;		/* in a ranked wait, the first branch that
								 * has; -1: none */
	const char *cause;			/* name of the event that brought the run
								 * here; NULL: no event did */
	const char *run_key;		/* or NULL */

	/* the step's own memory between calls; 0 on arrival */
	int			stage;
	int			index;

	/* the answer to the last request */
	Datum		value;
	bool		isnull;
	JoComposed	composed;
	bool		is_handed_over; /* nobody will acknowledge the message */
	const JoGateDecision *decision; /* of a message withheld or deferred */

	/* the request */
	JoExpression *ask;
	int			channel;		/* index into the step's channels */

	/* what the verdict needs */
	int			next;
	JoEnrollmentState state;
	TimestampTz due_at;			/* JO_NO_TIME: no timer */
	const char *reason;			/* goes to the step log; NULL: nothing to say */
	const char *arm;			/* of a split */
	bool		sends;			/* enqueue what was composed for "channel" */
	bool		awaits;			/* and stay until it settles */
	List	   *withheld;		/* of JoWithheld *, in this visit (given) */
	const JoGateDecision *stopped_by;	/* goes to the step log */
	bool		withdraws;		/* of JO_VERDICT_END: what is not claimed yet */
	bool		has_message_id;
	pg_uuid_t	message_id;		/* of the visit's message */
	bool		emits;			/* the step's event, with "payload" */
	bool		enters;			/* the step's journey, with "payload" as
								 * context, and "key" */
	bool		asks;			/* a person */
	Jsonb	   *payload;		/* NULL: {} */
	char	   *key;			/* or NULL */
	bool		skips;			/* a date's policy names "next" */
	bool		notes_happened; /* keep "happened" with the run */
	bool		takes_happened; /* go on with the event of "happened" */
	bool		collects;		/* into the digest: the event of "cause" */
	List	   *outputs;		/* of JoOutput * */
	bool		converts;
	bool		has_value;
	Datum		conversion_value;	/* numeric */
	char	   *currency;
	JoDueNote	note;			/* of due_at, or of why there is none */
	JoError    *error;			/* of JO_VERDICT_FAIL */
} JoVisit;

typedef JoVerdict (*JoStepFunction) (JoVisit *visit);

extern JoVerdict jo_step_send(JoVisit *visit);
extern JoVerdict jo_step_delay(JoVisit *visit);
extern JoVerdict jo_step_wait(JoVisit *visit);
extern JoVerdict jo_step_digest(JoVisit *visit);
extern JoVerdict jo_step_branch(JoVisit *visit);
extern JoVerdict jo_step_split(JoVisit *visit);
extern JoVerdict jo_step_update(JoVisit *visit);
extern JoVerdict jo_step_call(JoVisit *visit);
extern JoVerdict jo_step_emit(JoVisit *visit);
extern JoVerdict jo_step_enter(JoVisit *visit);
extern JoVerdict jo_step_approve(JoVisit *visit);
extern JoVerdict jo_step_exit(JoVisit *visit);

/* ---- step_due.c: what delay, wait and digest share ---- */

/* The run's zone, noted for the step log. */
extern pg_tz *jo_due_zone(JoVisit *visit);

/*
 * Stay until "due" in "state", or go on to "next" when that is here already;
 * with DT_NOEND for ever.
 */
extern JoVerdict jo_due_block(JoVisit *visit, TimestampTz due,
							  JoEnrollmentState state, int next);

/* Stay as a delay of any form says. */
extern JoVerdict jo_due_delay(JoVisit *visit, const JoDelay *time,
							  JoEnrollmentState state, int next);

/* Stay until the date of a rule; its policies may say otherwise. */
extern JoVerdict jo_due_at_date(JoVisit *visit, const JoDateRule *rule,
								JoEnrollmentState state, int next);

/* There is no such instant. */
extern JoVerdict jo_due_fail(JoVisit *visit);

/* A timer fired while the run stood at the step. */
extern JoVerdict jo_step_delay_due(JoVisit *visit);
extern JoVerdict jo_step_wait_due(JoVisit *visit);
extern JoVerdict jo_step_enter_due(JoVisit *visit);
extern JoVerdict jo_step_approve_due(JoVisit *visit);
extern JoVerdict jo_step_digest_due(JoVisit *visit);

/* An event has ended a wait: take branch "index". */
extern JoVerdict jo_step_wait_take(JoVisit *visit, int index);

/* The message that a send step waited for has failed on its channel, or was
 * withheld: set the visit up so that jo_step_send() tries the next one. */
extern void jo_step_send_again(JoVisit *visit, int channel,
							   JoComposed composed);

/* Is there a channel behind this one, to be tried for that reason? */
extern bool jo_step_send_goes_on(const JoStep *step, int channel, int reason);

/* JO_FALLBACK_*: what a withheld message means to fallback_on; 0: nothing. */
extern int	jo_step_send_fallback(const JoGateDecision *decision);

/* Put the step's output, if it declares one; "detail" may be NULL. */
extern void jo_step_send_put(JoVisit *visit, const char *status,
							 const char *channel, const char *detail);

/* The step cannot go on: 22023 with this message. */
static inline JoVerdict
jo_visit_fail(JoVisit *visit, const char *message)
{
	visit->error = palloc0(sizeof(JoError));
	strlcpy(visit->error->sqlstate,
			unpack_sql_state(ERRCODE_INVALID_PARAMETER_VALUE),
			sizeof(visit->error->sqlstate));
	visit->error->message = pstrdup(message);
	return JO_VERDICT_FAIL;
}

/* Put a value (NULL: null) into the context when the run leaves the step. */
static inline void
jo_visit_put(JoVisit *visit, const char *name, Jsonb *value)
{
	JoOutput   *output = palloc(sizeof(JoOutput));

	output->name = name;
	output->value = value;
	visit->outputs = lappend(visit->outputs, output);
}

/* True when a condition's answer is true: NULL counts as false. */
static inline bool
jo_answer_is_true(const JoVisit *visit)
{
	return !visit->isnull && DatumGetBool(visit->value);
}

#endif							/* JO_STEP_H */
