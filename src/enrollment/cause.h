/*
 * enrollment/cause.h
 *	  Events that runs cause, and dates that have come (cause.c).
 */
#ifndef JO_CAUSE_H
#define JO_CAUSE_H

#include "enrollment/batch.h"

extern bool jo_cause_is_spinning(const JoMember *member);
extern int	jo_cause_depth(const JoMember *member);
extern void jo_cause_event(JoBatch *batch, const JoRun *run, const char *name,
						   Jsonb *payload);
extern void jo_cause_command(JoBatch *batch, const JoRun *run,
							 const char *name, Jsonb *payload);
extern void jo_cause_notice(JoBatch *batch, const JoRun *run,
							const char *name, Jsonb *payload);
extern void jo_cause_withheld(JoBatch *batch, JoMember *member,
							  const JoRun *run, const JoAttempt *attempt,
							  Jsonb *payload);
extern void jo_cause_report(JoBatch *batch, const JoRun *run,
							const char *name, Jsonb *payload);
extern JoEvent *jo_cause_entry(JoBatch *batch, JoMember *member,
							   const char *cause, Jsonb *payload);
extern void jo_cause_finish_round(JoBatch *batch, List *members);
extern JoEvent *jo_cause_next(JoMember *member);

#endif							/* JO_CAUSE_H */
