/*
 * enrollment/read.h
 *	  Reading a batch (see read.c).
 */
#ifndef JO_READ_H
#define JO_READ_H

#include "enrollment/batch.h"

extern void jo_batch_read(JoBatch *batch);
extern void jo_batch_read_live(JoBatch *batch);
extern void jo_batch_read_members(JoBatch *batch);
extern void jo_batch_read_profiles(JoBatch *batch, List *members);

#endif							/* JO_READ_H */
