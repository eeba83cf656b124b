import { formPost, seeOther } from '@/app/_lib/login'
import { federation, requests } from '@/lib'

/** Goes on to end the session at the provider, too, where it has a place for that. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ provider = '' }) => {
    const url = await federation.endSessionUrl(provider, {
      userId: null,
      postLogoutRedirectUri: `${requests.settings().url}/signed-out`,
    })
    return seeOther(url ?? '/signed-out')
  })
