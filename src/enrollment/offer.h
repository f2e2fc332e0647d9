/*
 * enrollment/offer.h
 *	  Between offer.c and offer_step.c: what an input may do to a run.
 */
#ifndef JO_OFFER_H
#define JO_OFFER_H

#include "enrollment/batch.h"

/* What a candidate does when it matches. */
typedef enum JoCandidateKind
{
	JO_CANDIDATE_GOAL,
	JO_CANDIDATE_EXIT,
	/* of the step where the run stands */
	JO_CANDIDATE_BRANCH,
	JO_CANDIDATE_DIGEST,
	JO_CANDIDATE_RESTART
} JoCandidateKind;

typedef struct JoCandidate
{
	JoCandidateKind kind;
	const JoMatch *match;
	const char *reason;			/* of an exit rule */
	int			index;			/* of a branch */
} JoCandidate;

/* What the step did with the event. */
typedef enum JoStepAnswer
{
	JO_STEP_MOVED,				/* the run: the offer is over */
	JO_STEP_STAYED,				/* the event is used up, the run stays */
	JO_STEP_GOES_ON				/* try the next candidate */
} JoStepAnswer;

extern List *jo_offer_add(List *candidates, JoCandidateKind kind,
						  const JoMatch *match, const char *reason, int index);

/* offer_step.c */
extern List *jo_offer_step(const JoRun *run, List *candidates);
extern JoStepAnswer jo_offer_step_takes(JoBatch *batch, JoRun *run,
										const JoCandidate *candidate);

#endif							/* JO_OFFER_H */
