-- AlterTable
ALTER TABLE "passwords" ADD COLUMN     "by_mail" BOOLEAN NOT NULL DEFAULT false;
