/*
 * journey/journey.h
 *	  A journey as the engine runs it: the compiled graph of one version.
 *
 * The reader (read_*.c) turns a definition into a JoGraph and a list of
 * findings; check_definition() shows the findings, define() refuses on an
 * error, and the cache compiles the same graph for the engine.  Steps are
 * numbered in breadth-first order from "start" (unreachable ones last): that
 * number is "position" in the funnel.
 */
#ifndef JO_JOURNEY_H
#define JO_JOURNEY_H

#include "capture/capture.h"
#include "core/expression.h"
#include "experiment/experiment.h"
#include "journey/timing.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

/* The verb of a step; names in jo_verb_name(). */
typedef enum JoVerb
{
	JO_SEND,
	JO_DELAY,
	JO_WAIT,
	JO_BRANCH,
	JO_SPLIT,
	JO_DECIDE,
	JO_UPDATE,
	JO_CALL,
	JO_EMIT,
	JO_ENTER,
	JO_DIGEST,
	JO_APPROVE,
	JO_EXIT
} JoVerb;

#define JO_NO_STEP (-1)

/* What an event has to be: a wait's branch, a goal, an exit rule, a restart. */
typedef struct JoMatch
{
	char	   *on;				/* event name; NULL: any event or timer (a
								 * bare "when") */
	JoExpression *when;			/* boolean; NULL: always */
	JoExpression *match_key;	/* text, over event; NULL: any key */
	int			of;				/* send step whose message a message.* event
								 * must report on; JO_NO_STEP: any */
	int			next;			/* of a wait's branch */
	int			nretest;		/* of a wait's condition: the events at which */
	char	  **retest_on;		/* it is tested again; none: at every one */
	uint64		identity;		/* of a wait's branch: what it waits for, the
								 * same in every version that has it */
	char	   *path;			/* JSON pointer of it in the definition */
} JoMatch;

/* The event that starts a step's time again. */
typedef struct JoRestart
{
	JoMatch		match;			/* "on" NULL: nothing does */
	int			max;			/* how often in one visit */
} JoRestart;

/* The forms of a delay. */
typedef enum JoDelayForm
{
	JO_DELAY_DURATION,			/* a text */
	JO_DELAY_FOR,
	JO_DELAY_LOCAL,
	JO_DELAY_UNTIL
} JoDelayForm;

/* How long a delay lasts or a digest collects. */
typedef struct JoDelay
{
	JoDelayForm form;
	JoDuration	duration;		/* also of "for" */
	JoTiming	timing;			/* of "for" and of a local time */
	bool		continues_when_missed;	/* "missed": "continue" */
	JoDateRule	date;			/* of "until" */
} JoDelay;

typedef struct JoBranchArm
{
	JoExpression *when;
	int			next;
	char	   *path;
} JoBranchArm;

/* Name of a context entry and the value to put there. */
typedef struct JoAssignment
{
	char	   *name;
	JoExpression *value;		/* JO_ANY_AS_JSONB */
} JoAssignment;

/* Why a send step moves on to its next channel. */
#define JO_FALLBACK_NO_ADDRESS	1
#define JO_FALLBACK_NO_CONSENT	2
#define JO_FALLBACK_FAILED		4

typedef struct JoStep
{
	char	   *name;
	int			position;		/* its index in JoGraph.steps */
	JoVerb		verb;
	int			next;			/* JO_NO_STEP where the verb has none */
	int			on_failure;		/* JO_NO_STEP: not declared */
	char	   *into;			/* context name of its output: "into", else
								 * the step's name */
	union
	{
		struct
		{
			int			nchannels;
			char	  **channels;
			char	   *template;
			char	   *topic;	/* or NULL */
			int			priority;	/* 0 .. 9, default 5 */
			bool		awaits_outcome; /* on_failure, on_withheld, or more
										 * than one channel */
			int			fallback_on;	/* JO_FALLBACK_* */
			int			on_withheld;	/* JO_NO_STEP: not declared */
			char	   *into;	/* NULL: the step has no output */
			bool		has_expiry;
			JoDuration	expires_after;
		}			send;
		struct
		{
			JoDelay		time;
			JoRestart	restart;
		}			delay;
		struct
		{
			int			nbranches;
			JoMatch    *branches;	/* in array order; the first that matches
									 * wins */
			bool		has_timeout;
			bool		has_date;	/* the timeout is "date", else "timeout" */
			JoDuration	timeout;
			JoDateRule	date;
			int			timeout_next;
			bool		is_ranked;
			JoRestart	restart;
		}			wait;
		struct
		{
			JoMatch		match;
			JoDelay		time;
			bool		has_look_back;
			JoDuration	look_back;
			int			max;
		}			digest;
		struct
		{
			int			narms;
			JoBranchArm *arms;
			int			otherwise;	/* "else" */
		}			branch;
		struct
		{
			int			narms;
			JoArm	   *arms;
			int		   *next;	/* by arm */
			char	   *experiment; /* default: journey name '/' step name */
			char	   *salt;	/* default '' */
		}			split;
		struct
		{
			int			nassignments;
			JoAssignment *assignments;
		}			update;
		struct
		{
			JoExpression *expression;	/* JO_ANY_AS_JSONB; may write */
			Jsonb	   *simulated;	/* its value where nothing may happen */
		}			call;
		struct
		{
			char	   *event;
			JoExpression *payload;	/* jsonb; NULL: the context */
		}			emit;
		struct
		{
			char	   *journey;
			JoExpression *context;	/* jsonb; NULL: {} */
			JoExpression *key;	/* text, or NULL */
			bool		waits;	/* stays until the child ends */
			bool		ends_child; /* "when_cancelled": "exit" */
			bool		has_timeout;
			JoDuration	timeout;
			int			timeout_next;
		}			enter;
		struct
		{
			char	   *role;	/* whose members may decide */
			char	   *question;	/* or NULL */
			int			ndecisions;
			char	  **decisions;
			int		   *next;	/* by decision */
			bool		has_timeout;
			JoDuration	timeout;
			int			timeout_next;
		}			approve;
		struct
		{
			char	   *reason;
			bool		converts;
			JoExpression *value;	/* numeric, or NULL */
			JoExpression *currency; /* text, or NULL */
		}			exit;
	}			u;
} JoStep;

typedef enum JoReentry
{
	JO_REENTRY_NEVER,
	JO_REENTRY_AFTER_EXIT,
	JO_REENTRY_ANY
} JoReentry;

/* What starts a run by itself; enter() and enter steps may start others too. */
typedef enum JoEntryKind
{
	JO_ENTRY_EVENT,				/* "on" */
	JO_ENTRY_FAN_OUT,			/* "on", for everybody in "audience" */
	JO_ENTRY_DATE,				/* "date": one that the customer's row holds */
	JO_ENTRY_SCHEDULE,			/* at times, for everybody in "audience" */
	JO_ENTRY_API,				/* only enter() */
	JO_ENTRY_JOURNEY			/* only an enter step */
} JoEntryKind;

/* How many may enter; 0: no such cap. */
typedef struct JoCaps
{
	int			per_customer;	/* entries of one customer ... */
	JoDuration	per;			/* ... within this time */
	int			at_once_per_customer;
	int			at_once;
	int			total;
} JoCaps;

typedef struct JoEntry
{
	JoEntryKind kind;
	int			nparents;		/* journeys that may enter; 0: any */
	char	  **parents;
	char	   *on;				/* event name; NULL: no event enters */
	JoExpression *audience;		/* its next page (read_audience.c) */
	JoDateRule	date;			/* of JO_ENTRY_DATE, its policies unused */
	bool		recurs;			/* the date has "every" */
	bool		enters_when_past;	/* "past": "enter" */
	JoExpression *when;			/* or NULL */
	JoExpression *key;			/* text, or NULL */
	JoReentry	reentry;
	bool		has_cooldown;
	Interval	cooldown;
	bool		cooldown_by_key;
	JoCaps		caps;
	double		holdout;		/* share, 0 .. 1 */
} JoEntry;

typedef struct JoGoal
{
	JoMatch		match;
	JoExpression *value;		/* numeric, or NULL */
	JoExpression *currency;		/* text, or NULL */
	bool		has_within;
	JoDuration	within;			/* from entry */
	bool		ends;			/* "exit": true */
} JoGoal;

typedef struct JoGraph
{
	int32		journey_id;
	char	   *name;
	int32		version;
	Oid			owner;
	char	   *timezone;		/* default zone; the customer's wins where
								 * bound */
	bool		has_timezone;	/* the definition names it */
	JoDuration	late_after;		/* a timer that fires later is recorded */
	int			priority;
	JoEntry		entry;
	bool		has_goal;
	JoGoal		goal;
	int			nexits;
	JoMatch    *exits;			/* rules that end a run, with "reason" below */
	char	  **exit_reasons;	/* by rule: declared, else "exit_rule" */
	bool		enters_without_customer;	/* "absent_customer": "enter" */
	bool		survives_customer;	/* "deleted_customer": "continue" */
	int			nsteps;
	JoStep	   *steps;
	int			start;
	List	   *enters;			/* char *: journeys that a run enters before
								 * any time has passed */
	int			uses;			/* JO_USES_* of all expressions together */
	JoError    *error;			/* not NULL: it no longer compiles (a column
								 * was dropped, the owner is gone); its runs
								 * park */
} JoGraph;

/* How a journey stands at one ticket; one that was never published is a
 * draft. */
typedef enum JoJourneyState
{
	JO_JOURNEY_LIVE,
	JO_JOURNEY_PAUSED,
	JO_JOURNEY_STOPPED,
	JO_JOURNEY_ARCHIVED
} JoJourneyState;

/* ---- the per-backend cache of graphs (cache.c) ---- */

/* Enter and leave a use; pointers below are good in between. */
extern void jo_journey_cache_begin(void);
extern void jo_journey_cache_end(void);

/* The graph of a version; NULL when the version does not exist.  Compiled on
 * first use; a version that no longer compiles has "error" set. */
extern JoGraph *jo_graph(int32 journey_id, int32 version);

/*
 * The graphs that an event may enter: of every journey that was published
 * before it (jo_act_met()) and not archived, the version published last, if its
 * entry.on is the event's name; ordered by priority (highest first), then
 * journey_id.  Whether the journey takes newcomers is another question
 * (jo_act_refusal).  List of JoGraph *, owned by the cache or in
 * CurrentMemoryContext.
 */
extern List *jo_graphs_entered_by(const JoEvent *event);

/* May an event of this name enter any version that was ever published? */
extern bool jo_event_enters(const char *name);

/* Order by priority, highest first, then journey_id: a list_sort() function. */
extern int	jo_compare_graphs(const ListCell *a, const ListCell *b);

/* The version published last of every journey that is neither stopped nor
 * archived; list in CurrentMemoryContext of graphs owned by the cache. */
extern List *jo_live_graphs(void);

/* Does the event of this name enter it?  JO_COMMAND_DATE stands for a date. */
extern bool jo_graph_is_entered_by(const JoGraph *graph, const char *name);

/* The same of those that a date enters, with the acts before the ticket. */
extern List *jo_graphs_entered_by_date(int64 seq);

/* journey_id of a name, 0 when there is none. */
extern int32 jo_journey_id(const char *name);

/*
 * Compile an audience to an expression of type text[]: the ids after
 * context->>'after', at most context->>'limit', in the order of their bytes.
 * NULL with *error.
 */
extern JoExpression *jo_audience_compile(const char *sql, Oid owner,
										 bool checks_rights, JoError **error);

extern const char *jo_verb_name(JoVerb verb);

/* True for an exit reason that the engine itself records. */
extern bool jo_reason_is_reserved(const char *reason);

extern void jo_journey_init(void);

#endif							/* JO_JOURNEY_H */
