/*
 * experiment/experiment.h
 *	  Arms of a split: stable, hashed, computed and never stored.
 */
#ifndef JO_EXPERIMENT_H
#define JO_EXPERIMENT_H

typedef struct JoArm
{
	char	   *name;
	double		weight;			/* > 0, any unit */
} JoArm;

/*
 * Index of the arm of "unit" (a customer id).  Arms own consecutive slices of
 * the 10,000 buckets in the given order, so growing the last-but-one slice
 * into the last keeps everybody who is already in it.
 */
extern int	jo_arm_of(const char *experiment, const char *salt,
					  const char *unit, const JoArm *arms, int narms);

#endif							/* JO_EXPERIMENT_H */
