import { handled } from '@/app/_lib/login'
import { forms } from '@/lib'

/** Behind the portal's own server this is asked for unusual requests alone (lib/host/forms.ts). */
export const POST = (request: Request): Promise<Response> => handled(request, forms.password)
