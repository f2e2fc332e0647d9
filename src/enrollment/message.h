/*
 * enrollment/message.h
 *	  Messages of runs, as the files of a batch share them.
 */
#ifndef JO_ENROLLMENT_MESSAGE_H
#define JO_ENROLLMENT_MESSAGE_H

#include "enrollment/batch.h"
#include "permission/permission.h"

/* message.c */
extern void jo_message_enqueue(JoBatch *batch, JoRun *run, Jsonb *payload);
extern void jo_message_report(JoBatch *batch, JoMember *member,
							  const JoEvent *event);
extern void jo_message_due(JoBatch *batch, JoMember *member,
						   JoMessage *message);
extern void jo_message_forget(JoRun *run);
extern void jo_message_resume(JoMember *member, JoMessage *message);
extern void jo_message_visit_again(JoRun *run);
extern void jo_message_form(const JoRun *run, int channel, Jsonb *payload,
							JoAttempt *attempt);
extern const pg_uuid_t *jo_message_id_of_visit(JoBatch *batch, JoRun *run);
extern JoMessage *jo_message_keep(JoRun *run, const JoAttempt *attempt);
extern void jo_message_withhold(JoBatch *batch, JoMember *member,
								JoMessage *message,
								const JoGateDecision *decision,
								int64 event_id);
extern void jo_message_leave_visit(JoRun *run);
extern void jo_message_append(JoBatch *batch, JoMember *member, JoRun *run,
							  JoAttempt *attempt);

/* message_gate.c: what the gates say of messages */
extern JoGates *jo_message_gates_begin(JoBatch *batch);
extern void jo_message_ask(const JoBatch *batch, JoGates *gates,
						   const JoMember *member,
						   const JoAttempt *attempt, const JoChannel *channel,
						   const char *address, const char *journey,
						   JoGateDecision *decision);
extern Jsonb *jo_decision_of_gate(const JoGateDecision *decision);
extern const JoGateDecision *jo_run_ask_gates(JoBatch *batch, JoGates *gates,
											  JoRun *run, int number,
											  const JoChannel *channel,
											  const char *address);
extern void jo_run_keep_withheld(JoBatch *batch, JoRun *run);
extern void jo_message_defer(JoBatch *batch, JoRun *run, Jsonb *payload,
							 const JoGateDecision *decision);
extern bool jo_message_is_stopped(JoBatch *batch, JoMember *member,
								  JoMessage *message);

#endif							/* JO_ENROLLMENT_MESSAGE_H */
