/*
 * experiment/holdout.h
 *	  The global holdout, as a batch asks for it.
 */
#ifndef JO_HOLDOUT_H
#define JO_HOLDOUT_H

/* Enter and leave a use; between them the functions below may be called. */
extern void jo_holdout_begin(void);
extern void jo_holdout_end(void);

/* Is somebody in it, as it is now? */
extern bool jo_global_holdout_is_set(void);

/* Is the customer held out of what an event with this ticket starts? */
extern bool jo_in_global_holdout(const char *customer_id, int64 seq);

/* Does the class of the topic (NULL: none) exempt its messages from it? */
extern bool jo_topic_is_exempt(const char *topic);

extern void jo_experiment_init(void);

#endif							/* JO_HOLDOUT_H */
