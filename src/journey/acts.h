/*
 * journey/acts.h
 *	  What was done to a journey and when (acts.c).
 */
#ifndef JO_ACTS_H
#define JO_ACTS_H

#include "core/snapshot.h"
#include "journey/journey.h"

typedef enum JoActKind
{
	JO_ACT_PUBLISH,
	JO_ACT_PAUSE,
	JO_ACT_RESUME,
	JO_ACT_STOP,
	JO_ACT_ARCHIVE
} JoActKind;

/* What becomes of the people inside. */
typedef enum JoInflight
{
	JO_INFLIGHT_FINISH,
	JO_INFLIGHT_EXIT,
	JO_INFLIGHT_MOVE
} JoInflight;

typedef struct JoAct
{
	int64		seq;			/* its capture ticket */
	JoActKind	kind;
	TimestampTz at;				/* engine clock */
	JoInflight	inflight;		/* of publish and stop */
	bool		ignores;		/* pause: newcomers are refused, not held */
	bool		extends;		/* pause: due times do not run */
	double		rate;			/* resume: released a second; 0: at once */
	int64		held;			/* resume: how many have a place of their own
								 * among those released */
	int			ended_pause;	/* resume: index of the pause that it ends */
	bool		gathers;		/* publish: existing customers enter, too:
								 * those of events that ... */
	JoSnapshot	seen;			/* ... had ended here, or ... */
	FullTransactionId xid;		/* ... are of the same transaction */
	/* how the journey stands after it */
	JoJourneyState state;
	int32		version;		/* the last one published */
	bool		is_stopped;
	bool		is_closed;		/* published for existing customers only */
	bool		is_ignoring;	/* the open pause refuses newcomers */
	int			pause;			/* index of the open pause, -1: none */
} JoAct;

/* Enter and leave a use; pointers below are good in between. */
extern void jo_acts_begin(void);
extern void jo_acts_end(void);

/* All acts of a journey, by ticket; *n of them. */
extern const JoAct *jo_acts(int32 journey_id, int *n);

/* The smallest ticket of an act of any journey that is later than "after" and
 * not later than "upto"; PG_INT64_MAX: there is none. */
extern int64 jo_act_first_between(TimestampTz after, TimestampTz upto);

/* The newest act with a smaller ticket, or NULL. */
extern const JoAct *jo_act_before(int32 journey_id, int64 seq);

/*
 * How an event that may enter finds the journey: the newest act with a smaller
 * ticket, except that
 *	- what publish() gathered existing customers by, it has seen; an event with a
 *	  smaller ticket that committed too late for that meets it all the same.
 *	- nobody enters an archived journey, whatever lane is how far behind.
 * NULL: it was not published yet.
 */
extern const JoAct *jo_act_met(int32 journey_id, const JoEvent *event);

/* Was the event, which has a smaller ticket, too late to be gathered? */
extern bool jo_act_missed(const JoAct *act, const JoEvent *event);

/* May there be an act that has missed the event? */
extern bool jo_acts_may_have_missed(const JoEvent *event);

/* Was the journey stopped after this ticket, whatever became of it since? */
extern bool jo_act_stops_after(int32 journey_id, int64 seq);

/* The first act with a larger ticket that concerns people inside, or NULL. */
extern const JoAct *jo_act_after(int32 journey_id, int64 seq);

/* The pause that is open after "act" (NULL: no act yet), or NULL. */
extern const JoAct *jo_act_pause(int32 journey_id, const JoAct *act);

/* The pause that a resume ended. */
extern const JoAct *jo_act_ended_pause(int32 journey_id, const JoAct *act);

/* Why the journey, as it stands after "act" (NULL: a draft), takes no
 * newcomers, or NULL. */
extern const char *jo_act_refusal(const JoAct *act);

extern const char *jo_act_name(JoActKind kind);

extern void jo_acts_init(void);

#endif							/* JO_ACTS_H */
