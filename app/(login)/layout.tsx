import type { ReactNode } from 'react'
import { AuthShell } from '@/components/login/auth-shell'
import { requests } from '@/lib'

export default function LoginLayout({ children }: { children: ReactNode }) {
  const { productName, logoUrl } = requests.settings()
  return (
    <AuthShell product={productName} logoUrl={logoUrl}>
      {children}
    </AuthShell>
  )
}
