/*
 * enrollment/batch.h
 *	  One batch of one lane in memory: what is read, computed and written.
 *
 * read.c fills a JoBatch, round.c computes with it, a sink writes what it
 * collected.  Everything lives in batch->context and dies with it.
 */
#ifndef JO_BATCH_H
#define JO_BATCH_H

#include "audience/audience.h"
#include "capture/capture.h"
#include "common/hashfn.h"
#include "core/clock.h"
#include "enrollment/enrollment.h"
#include "enrollment/step.h"
#include "outbox/outbox.h"
#include "storage/itemptr.h"

typedef struct JoBatch JoBatch;
typedef struct JoMember JoMember;
typedef struct JoRun JoRun;

/* Where a batch's results go: the tables, or a trial's overlay. */
typedef struct JoSink
{
	const char *name;
	bool		calls;			/* execute calls; else take what the
								 * definition says of them */
	void		(*write) (JoBatch *batch);
	/* Then, once a batch: how far the lane has come.  NULL: it moves no lane. */
	void		(*write_position) (JoBatch *batch);
	/* Replace stored runs of the member by what the sink knows better. */
	void		(*overlay_runs) (JoBatch *batch, JoMember *member);

	/*
	 * Take an attempt of the run's (NULL: it has ended) instead of the
	 * outbox; may give it another message_id.  NULL: collect it in
	 * batch->attempts.
	 */
	void		(*take_attempt) (JoBatch *batch, JoMember *member, JoRun *run,
								 JoAttempt *attempt);

	/*
	 * What is collected so far may be taken after each round.  NULL: at the
	 * end.
	 */
	void		(*end_round) (JoBatch *batch);
} JoSink;

/*
 * One live passage.  "event" and "event_name" are NULL for the entry event.
 * What every event looks at stands first: a customer may have thousands.
 */
struct JoRun
{
	JoGraph    *graph;			/* of its version; without steps and with an
								 * error when that is gone */
	int			step;			/* index in graph->steps */
	JoEnrollmentState state;
	uint32		key_hash;		/* jo_key_hash(key) */
	int			ordinal;		/* its place in member->runs */
	TimestampTz due_at;			/* JO_NO_TIME: none; so everywhere below */
	pg_uuid_t	id;
	char	   *key;
	JoMember   *member;
	int32		journey_id;
	int32		version;
	char	   *step_name;
	int32		generation;
	int32		visit;			/* ordinal of this step visit, from 1 */
	TimestampTz entered_at;
	TimestampTz arrived_at;
	TimestampTz hint_at;		/* due_at of its newest timer row */
	int64		entry_event_id;
	int64		entry_order;	/* among those that began at one instant: that
								 * event, or the one before its cause */
	int64		acted;			/* ticket of the last act that it has met */
	const struct JoAct *next_act;	/* the next one that it has to meet */
	const struct JoAct *pause;	/* that is open for it; or NULL */
	char	   *entry_name;
	Jsonb	   *context;
	Jsonb	   *entry_event;
	Jsonb	   *event;
	char	   *event_name;
	int64		event_id;		/* cause of the advance under way; 0: a timer */
	bool		is_spent;		/* no digest may collect its event: a timer
								 * brought it here, or it has collected that */
	bool		is_holdout;		/* runs without its sends ... */
	bool		is_global_holdout;	/* ... because of the global one; those
									 * about exempt topics are sent */
	bool		was_absent;		/* the customer, at its entry */
	bool		is_restarted;	/* its wait or delay begins anew, also in a
								 * pause */
	bool		has_messages;
	bool		is_withdrawn;	/* in this batch: see jo_run_withdraw() */
	List	   *messages;		/* of JoMessage *: those that have a row */
	Jsonb	   *error;			/* of a parked run, or of a call to be tried
								 * again */
	pg_uuid_t	parent_id;		/* the run that waits for this one ... */
	int32		parent_visit;	/* ... at this visit; 0: none */
	/* of the visit under way: see progress.c */
	int			restarts;
	int64		paused;			/* how much of a pause due_at leaves out,
								 * which its end will add; microseconds */
	uint64		noted;			/* branch of a ranked wait; 0: none */
	Jsonb	   *noted_event;
	char	   *noted_name;
	bool		noted_is_spent; /* "is_spent" when it was noted */
	struct JoDigest *digest;	/* digest.c; NULL: not looked at */
	/* how it stands in the table */
	bool		is_stored;
	bool		is_changed;
	bool		was_parked;
	ItemPointerData tid;
	/* the advance under way */
	JoVisit		visit_state;
	bool		is_queued;		/* in batch->moving */
	int			advances;		/* at this instant; stops a run that spins */
	TimestampTz fired_at;		/* "now" at which a timer moved it last */
	TimestampTz fired_due;		/* and what its local times count from then */
	struct JoLogRow *last_log;	/* its newest row of this batch */
	JoVariables variables;
};

/* What earlier runs of a customer left behind. */
typedef struct JoMemory
{
	int32		journey_id;
	char	   *key;
	int32		runs;
	TimestampTz last_entered;
	TimestampTz last_ended;		/* JO_NO_TIME: never */
	Jsonb	   *digests;		/* step: when a digest of it last ended */
	int			nrecent;
	TimestampTz *recent;		/* entries that a cap may count (cap.c),
								 * oldest first */
	bool		is_stored;
	bool		is_changed;
	bool		is_gone;		/* to be deleted */
	ItemPointerData tid;
} JoMemory;

/*
 * When a customer enters a journey by a date that he holds, and what he has
 * entered by already (plan.c).
 */
typedef struct JoPlan
{
	int32		journey_id;
	int32		generation;
	TimestampTz due_at;			/* JO_NO_TIME: nothing is to come */
	TimestampTz hint_at;		/* due_at of its newest timer row */
	TimestampTz last_at;		/* the due_at that was taken last */
	int32		times;			/* recurrences of the date at due_at */
	int32		taken;			/* up to this one all is taken or has passed;
								 * -1: none */
	char	   *basis;			/* the date that this is about; NULL: none */
	char	   *error;			/* why it could not be told, or NULL */
	bool		is_stored;
	bool		is_changed;
	bool		is_gone;		/* to be deleted */
	ItemPointerData tid;
} JoPlan;

/* A message that waits for a retry or whose run waits for it. */
typedef struct JoMessage
{
	JoAttempt	attempt;		/* the last one that was enqueued */
	JoRun	   *run;			/* NULL: ended before this batch */
	int			ordinal;		/* its place in member->messages */
	TimestampTz due_at;			/* next attempt; JO_NO_TIME: one is out */
	bool		is_awaited;
	const char *state;			/* enqueued, deferred, dead; withheld: its run
								 * is about to try another channel; of kept.c
								 * live, member, leaving */
	char	   *error;
	bool		is_stored;
	bool		is_changed;
	bool		is_settled;		/* to be deleted */
	ItemPointerData tid;
} JoMessage;

/* One customer of the batch. */
struct JoMember
{
	char	   *customer_id;
	JoCustomer	profile;
	bool		is_profile_loaded;
	List	   *events;			/* of JoEvent *, in order of seq */
	int			next_event;
	List	   *runs;			/* of JoRun *, oldest entry first */
	List	   *memories;		/* of JoMemory * */
	List	   *messages;		/* of JoMessage * */
	List	   *plans;			/* of JoPlan *: read where they may matter */
	bool		has_hint;		/* a timer row of his was due */
	int			ordinal;		/* its place in batch->members */
	/* over long lists; NULL: not built (member.c, due.c, memory.c) */
	struct HTAB *run_index;
	struct HTAB *message_index;
	struct HTAB *key_index;
	struct pairingheap *due_heap;
	bool		has_acts;		/* a run may have an act to meet */
	/* the input under way: an event, an act, or else a timer */
	const struct JoAct *act;
	JoEvent    *event;
	TimestampTz due;			/* of a timer; JO_NO_TIME for an event */
	TimestampTz now;			/* engine clock of the input; never goes back */
	List	   *causing;		/* of JoCausing *: caused in this round */
	List	   *caused;			/* of JoEvent *: inputs that come first */
	int			ncaused;		/* by the event or timer they go back to */
	int64		newest_ticket;	/* of his events and acts in this batch */
	bool		has_called;		/* a run of his in this batch */
	int			rounds;			/* instants at which timers fired */
	TimestampTz last_due;		/* the last of them */
	struct JoRoute *route;		/* of the event (route.c); NULL: not looked up */
};

/* One row of step_log. */
typedef struct JoLogRow
{
	const JoRun *run;			/* NULL: a refused entry */
	const char *customer_id;
	const char *key;
	pg_uuid_t	enrollment_id;
	int32		journey_id;
	int32		version;
	int32		visit;
	TimestampTz clock;
	TimestampTz arrived_at;
	TimestampTz due_at;
	TimestampTz entered_at;		/* of a run that ends */
	int64		event_id;		/* 0: none */
	const char *outcome;
	const char *from_step;
	const char *to_step;
	const char *reason;
	const char *arm;
	bool		has_value;
	Datum		value;
	const char *currency;
	Jsonb	   *context;
	Jsonb	   *decision;
	const JoAttempt *attempt;	/* of a simulation: what was enqueued */
} JoLogRow;

/* What became of an application's command. */
typedef struct JoOutcome
{
	int64		command_id;
	TimestampTz at;
	const char *status;			/* entered, left, decided, redelivered,
								 * discarded, refused */
	const char *rule;			/* that refused; NULL: none did */
	bool		has_run;
	pg_uuid_t	enrollment_id;
} JoOutcome;

/* A run that asks a person. */
typedef struct JoAsking
{
	const JoRun *run;
	int32		visit;
	const char *step;
	TimestampTz at;
} JoAsking;

/* A timer row to write. */
typedef struct JoHint
{
	TimestampTz due_at;
	const char *customer_id;
} JoHint;

struct JoBatch
{
	int			lane;
	int			limit;
	const JoSink *sink;
	JoClock		clock;
	TimestampTz until;			/* clock bound asked for by the caller */
	TimestampTz timer_limit;	/* timers due up to here may fire */
	int64		act_limit;		/* acts with a larger ticket wait */
	bool		is_announced;	/* an act is, in this batch (reach.c) */
	MemoryContext context;
	MemoryContext round;		/* tasks and the like: reset after each round */
	Snapshot	snapshot;
	JoLaneCursor cursor;
	int			nevents;
	int			ntimers;
	bool		has_all_hints;	/* every timer row up to timer_limit was read,
								 * and none is missing */
	bool		more;
	List	   *members;		/* of JoMember * */
	struct HTAB *member_index;	/* by customer_id */
	List	   *moving;			/* of JoRun *: to be advanced in this round */
	bool		has_binding;
	/* collected for the sink */
	List	   *log;			/* of JoLogRow * */
	List	   *attempts;		/* of JoAttempt * */
	List	   *withdrawals;	/* of JoWithdrawal * */
	List	   *decisions;		/* of JoGateRecord *: what gates did not allow */
	List	   *hints;			/* of JoHint * */
	List	   *aside;			/* of JoSetAside * */
	List	   *reached;		/* of char *: customers to be told of an act */
	int			late_releases;
	List	   *caused;			/* of JoEvent *: applied already */
	int			ncaused;
	List	   *outcomes;		/* of JoOutcome * */
	List	   *fan_outs;		/* of JoFanOut * */
	bool		has_fan_outs;	/* there are some to be worked off */
	List	   *tallies;		/* of JoTally * */
	List	   *caps;			/* of JoCapState *: what is known of caps */
	List	   *askings;		/* of JoAsking * */
	List	   *plan_requests;	/* of JoEvent *: commands to the whole lane */
	List	   *passes;			/* of JoPass * (plan_pass.c) */
	bool		has_called;
	int			lock_timeouts;	/* of calls */
	int64		next_ticket;	/* of caused events */
	int			tickets_left;
	int			entered;
	int			ended;
	int			advances;
	int			messages;
	struct JoErasures *erasures;	/* under way in the lane; NULL: none */
	struct JoCare *care;		/* NULL: nothing has gone wrong (careful.h) */
	struct JoSimulation *simulation;	/* NULL: this is no simulation */
};

/*
 * A task is something that runs until it needs a value: offering an event to a
 * run, trying an entry, advancing a run.  resume() returns true when it is done,
 * else it has set "request".
 */
typedef struct JoTask JoTask;

typedef enum JoRequest
{
	JO_REQUEST_VALUE,			/* of "expression" over "variables" */
	JO_REQUEST_CALL,			/* the same, and it may write */
	JO_REQUEST_MESSAGE			/* of run's send step for "channel" */
} JoRequest;

struct JoTask
{
	bool		(*resume) (JoBatch *batch, JoTask *task);
	/* The answer raised an error: the task is over. */
	void		(*fail) (JoBatch *batch, JoTask *task, const JoError *error);
	JoMember   *member;
	JoRun	   *run;
	const JoGraph *graph;
	int			stage;
	int			index;
	void	   *state;			/* private to the kind of task */
	/* request */
	JoRequest	request;
	JoExpression *expression;
	const JoVariables *variables;
	int			channel;
	/* answer */
	Datum		value;
	bool		isnull;
	JoComposed	composed;
	bool		is_handed_over; /* as soon as it is enqueued */
	const JoGateDecision *decision; /* that withheld or deferred the message */
	Jsonb	   *payload;
	JoError    *error;			/* not NULL: there is no answer */
};

/* batch.c */
extern void jo_batch_begin(JoBatch *batch, int lane, int limit,
						   TimestampTz until);
extern void jo_batch_adopt_clock(JoBatch *batch);
extern void jo_batch_with_caches(JoBatch *batch,
								 void (*run) (JoBatch *batch));
extern JoMember *jo_batch_member(JoBatch *batch, const char *customer_id);
extern void jo_batch_add_event(JoBatch *batch, JoEvent *event);

/* round.c */
extern void jo_batch_compute(JoBatch *batch);
extern const JoError *jo_run_error(const JoRun *run);
extern bool jo_customer_is_missed(const JoBatch *batch, const JoRun *run);

/* wave.c */
extern JoTask *jo_task_create(JoBatch *batch, JoMember *member, JoRun *run,
							  const JoGraph *graph);
extern void jo_wave_run(JoBatch *batch, List *tasks);

/* compose.c */
extern void jo_compose(JoBatch *batch, JoTask **tasks, int n,
					   JoError **errors);

/* member.c: what a customer has, found without walking all of it */
extern void jo_member_add_run(JoMember *member, JoRun *run);
extern void jo_member_sort_runs(JoMember *member);
extern void jo_member_enter_run(JoMember *member, JoRun *run);
extern JoRun *jo_member_run(JoMember *member, const pg_uuid_t *id);
extern void jo_member_add_message(JoMember *member, JoMessage *message);
extern void jo_member_forget_index(JoMember *member);
extern JoMessage *jo_member_message(JoMember *member, const pg_uuid_t *id);

/* due.c: what is due next */
extern void jo_due_add_run(JoRun *run);
extern void jo_due_add_message(JoMember *member, JoMessage *message);
extern TimestampTz jo_due_next_of_runs(JoMember *member);
extern TimestampTz jo_due_next(JoMember *member);
extern void jo_due_take(JoMember *member, List **runs, List **messages);

/* route.c: which runs an event may concern */
extern void jo_route_ask(JoBatch *batch, List *members);
extern List *jo_route_runs(JoBatch *batch, JoMember *member);
extern bool jo_route_matches(const JoMatch *match, const JoRun *run);
extern bool jo_route_knows_key(const JoMember *member,
							   const JoExpression *expression);

/* call.c */
extern void jo_call(JoBatch *batch, JoTask **tasks, int n);
extern bool jo_call_is_blocked(const JoError *error);

/* child.c */
extern void jo_child_enter(JoBatch *batch, JoRun *run);
extern JoRun *jo_child_find_parent(JoMember *member,
								   const pg_uuid_t *parent_id,
								   int32 parent_visit);
extern void jo_child_run_ended(JoBatch *batch, JoRun *run, const char *reason);

/* offer.c, entry.c, advance.c */
extern JoTask *jo_offer_task(JoBatch *batch, JoRun *run);
extern const JoGraph *jo_entry_existing(JoMember *member);
extern JoTask *jo_entry_task(JoBatch *batch, JoMember *member,
							 const JoGraph *graph);
extern JoTask *jo_entry_decided_task(JoBatch *batch, JoMember *member,
									 const JoGraph *graph);
extern JoTask *jo_advance_task(JoBatch *batch, JoRun *run);

/* act.c, hold.c: what acts on its journey mean to a run */
extern void jo_run_bind_acts(JoRun *run);
extern int64 jo_act_met_at_entry(int32 journey_id,
								 const JoEvent *event);
extern TimestampTz jo_act_instant(const JoBatch *batch,
								  const struct JoAct *act);
extern const struct JoAct *jo_member_next_act(const JoBatch *batch,
											  JoMember *member);
extern void jo_member_meet_act(JoBatch *batch, JoMember *member);
extern void jo_run_hold(JoBatch *batch, JoRun *run);
extern void jo_run_again(JoBatch *batch, JoRun *run);
extern void jo_run_release(JoBatch *batch, JoRun *run);
extern void jo_run_resume(JoBatch *batch, JoRun *run,
						  const struct JoAct *act);
extern void jo_run_take_turn(JoMember *member, const JoEvent *event);
extern bool jo_run_is_suspended(const JoRun *run);
extern void jo_run_keep_pause(JoRun *run);

/* reach.c */
extern bool jo_event_is_announcement(const JoEvent *event);
extern void jo_reach_read(JoBatch *batch);
extern void jo_reach_write(JoBatch *batch);

/* plan.c: entries by a date of the customer */
extern List *jo_plan_tasks(JoBatch *batch, JoMember *member, List *tasks);
extern TimestampTz jo_plan_next_due(const JoMember *member);
extern void jo_plan_keep(JoMember *member, JoPlan *plan);
extern void jo_plan_give_up(JoMember *member, JoPlan *plan,
							const char *message);

/* plan_pass.c: a lane's look at the dates of all customers */
extern void jo_pass_add_request(JoBatch *batch, JoEvent *event);
extern void jo_pass_read(JoBatch *batch);
extern void jo_pass_write(JoBatch *batch);

/* entry.c: an entry by command, which brings key and context */
extern const char *jo_entry_refusal(JoBatch *batch, JoMember *member,
									const JoGraph *graph, const char *key,
									bool has_key, const JoError **error);
extern JoRun *jo_entry_start(JoBatch *batch, JoMember *member,
							 const JoGraph *graph, char *key,
							 Jsonb *entry_event, Jsonb *context);

/* command.c */
extern void jo_command_apply(JoBatch *batch, JoMember *member);

/* move.c, advance.c: moves of a run, each logged */
extern void jo_run_set_moving(JoBatch *batch, JoRun *run);
extern void jo_run_enter(JoBatch *batch, JoRun *run);
extern void jo_run_give_cause(JoRun *run, const JoEvent *event);
extern void jo_run_forget_cause(JoRun *run);
extern void jo_run_move(JoBatch *batch, JoRun *run, int next,
						const char *reason);
extern JoVisit *jo_visit_begin(JoRun *run);
extern void jo_run_leave(JoBatch *batch, JoRun *run);
extern void jo_run_time_again(JoBatch *batch, JoRun *run);
extern void jo_run_restart(JoBatch *batch, JoRun *run);
extern void jo_run_end(JoBatch *batch, JoRun *run, const char *reason,
					   bool withdraws);
extern void jo_run_withdraw(JoBatch *batch, JoRun *run, const char *reason);
extern void jo_run_close(JoRun *run);
extern void jo_run_convert(JoBatch *batch, JoRun *run, const char *reason,
						   bool has_value, Datum value, const char *currency);
extern void jo_run_park(JoBatch *batch, JoRun *run, const JoError *error,
						const char *expression);

/* The step that the run stands at failed: take "on_failure", or park. */
extern void jo_run_fail(JoBatch *batch, JoRun *run, const JoError *error,
						const char *expression);

/* What a run at rest waited for has come: move on with an output. */
extern void jo_run_answer(JoBatch *batch, JoRun *run, int next,
						  const char *reason, Jsonb *output);

/* The timer of a call that was blocked: try it again. */
extern void jo_run_try_again(JoBatch *batch, JoRun *run);

/* log.c */
extern JoLogRow *jo_log(JoBatch *batch, JoRun *run, const char *outcome);
extern void jo_log_refusal(JoBatch *batch, JoMember *member,
						   const JoGraph *graph, const char *key,
						   const char *reason, const JoError *error);

/* decision.c */

/* What a due time was computed from; NULL when there is nothing to tell. */
extern Jsonb *jo_decision_of_note(const JoDueNote *note);

/* Has the run's timer fired later than its journey's late_after? */
extern bool jo_decision_is_late(const JoRun *run);
extern Jsonb *jo_decision_of_lateness(const JoRun *run);

/* progress.c */
extern void jo_progress_reset(JoRun *run);
extern int	jo_progress_happened(const JoRun *run);
extern void jo_progress_note(JoRun *run, int index);
extern void jo_progress_recall(JoRun *run);
extern Jsonb *jo_progress_to_json(const JoRun *run);
extern void jo_progress_from_json(JoRun *run, Jsonb *json);

/* digest.c */
extern const char *jo_digest_collect(JoBatch *batch, JoRun *run);
extern Jsonb *jo_digest_finish(JoBatch *batch, JoRun *run);
extern void jo_digest_drop(JoBatch *batch, JoRun *run);
extern void jo_digest_write(JoBatch *batch, bool deletes);

/* offer_step.c */
extern const JoRestart *jo_offer_restart(const JoGraph *graph,
										 int step_number,
										 JoEnrollmentState state);

/* memory.c */
extern TimestampTz jo_memory_last_digest(const JoRun *run);
extern void jo_memory_digested(JoRun *run);
extern JoMemory *jo_memory_find(JoMember *member, int32 journey_id,
								const char *key);
extern bool jo_memory_has_active(JoMember *member, int32 journey_id,
								 const char *key);
extern TimestampTz jo_memory_latest(JoMember *member, int32 journey_id);
extern void jo_memory_keep(JoMember *member, JoMemory *memory);
extern void jo_memory_entered(JoBatch *batch, JoRun *run);
extern void jo_memory_ended(JoBatch *batch, JoRun *run);

/* tally.c: how many are in a journey, and entered it */
extern void jo_tally_entered(JoBatch *batch, const JoRun *run);
extern void jo_tally_ended(JoBatch *batch, const JoRun *run);
extern void jo_tally_erased(JoBatch *batch, const JoMemory *memory);
extern void jo_tally_of_batch(const JoBatch *batch, int32 journey_id,
							  int64 *active, int64 *total);
extern void jo_tally_read(int32 journey_id, int64 *active, int64 *total);
extern void jo_tally_write(JoBatch *batch);

/* cap.c: entry caps */
extern const char *jo_cap_refusal(JoBatch *batch, JoMember *member,
								  const JoGraph *graph);
extern void jo_cap_entered(const JoRun *run, JoMemory *memory);

/* fan_out.c: entries of many by one event */
extern void jo_fan_out_begin(JoBatch *batch, JoMember *member,
							 const JoGraph *graph);
extern void jo_fan_out_write(JoBatch *batch);
extern void jo_fan_out_try(JoBatch *batch);

/* schedule_due.c: planned times under the virtual clock */
extern bool jo_schedule_step(TimestampTz until, bool waits);
extern TimestampTz jo_schedule_hold(TimestampTz now);

/* variables.c */
extern const JoVariables *jo_run_variables(JoBatch *batch, JoRun *run, int uses);
extern const JoVariables *jo_event_variables(JoBatch *batch, JoMember *member,
											 const JoGraph *graph, int uses);
extern const char *jo_run_timezone(const JoRun *run);
extern Jsonb *jo_jsonb_empty(void);
extern Jsonb *jo_jsonb_put(Jsonb *object, const char *name, Jsonb *value);
extern Jsonb *jo_jsonb_error(const JoError *error, const char *expression);

/* state.c */
extern const char *jo_enrollment_state_name(JoEnrollmentState state);
extern JoEnrollmentState jo_enrollment_state_of(const char *name);

/* sink_tables.c, sink_trial.c, sink_simulation.c, sink_logs.c */
extern const JoSink jo_sink_tables;
extern const JoSink jo_sink_trial;
extern const JoSink jo_sink_simulation;
extern void jo_sink_append_logs(JoBatch *batch);

/* A command goes to the run that it is about, and to nobody else. */
static inline bool
jo_event_is_command(const JoEvent *event)
{
	return event->kind == JO_EVENT_KIND_COMMAND ||
		event->kind == JO_EVENT_KIND_CAUSED_COMMAND;
}

#define jo_streq(a, b) (strcmp((a), (b)) == 0)

/* A list of a customer's that is longer than this gets an index. */
#define JO_LIST_LIMIT 16

/* Is the run waiting for an instant, or kept until one? */
static inline bool
jo_run_has_timer(const JoRun *run)
{
	return run->due_at != JO_NO_TIME && !jo_run_is_suspended(run) &&
		(run->state == JO_ENROLLMENT_WAITING ||
		 run->state == JO_ENROLLMENT_DELAYED ||
		 run->state == JO_ENROLLMENT_HELD ||
		 run->state == JO_ENROLLMENT_ENDED);
}

/*
 * Has the run ended for good?  One that ended while its goal may still be met
 * is kept, with due_at the instant at which that is over.
 */
static inline bool
jo_run_is_gone(const JoRun *run)
{
	return run->state == JO_ENROLLMENT_ENDED && run->due_at == JO_NO_TIME;
}

/* Is the message waiting for its next attempt? */
static inline bool
jo_message_has_timer(const JoMessage *message)
{
	return message->due_at != JO_NO_TIME && !message->is_settled;
}

static inline uint32
jo_key_hash(const char *key)
{
	return key == NULL ? 0 :
		hash_bytes((const unsigned char *) key, strlen(key));
}

/* The holdout that the run is in, as the step log says it, or NULL. */
static inline const char *
jo_holdout_reason(const JoRun *run)
{
	if (!run->is_holdout)
		return NULL;
	return run->is_global_holdout ? "global_holdout" : "holdout";
}

/* NULL equals NULL: "no key equals no key". */
static inline bool
jo_key_equals(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return jo_streq(a, b);
}

#endif							/* JO_BATCH_H */
