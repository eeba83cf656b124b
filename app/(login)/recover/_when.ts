import { longTime } from '@/components/ui/time'

/** A moment in words, in UTC: nobody is signed in whose timezone could be asked for. */
export const utcMoment = async (at: number): Promise<string> => `${await longTime(at, 'UTC')} UTC`
