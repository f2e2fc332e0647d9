/*
 * enrollment/trial.h
 *	  run_here() (see trial.c).
 */
#ifndef JO_TRIAL_H
#define JO_TRIAL_H

extern void jo_trial_init(void);

#endif							/* JO_TRIAL_H */
